import type { GateParameters, GateSet } from '@gateskip/gate';
import { NothingToFitError } from '../errors.js';
import { type BranchRow, pooledQuantile } from './branch-scores.js';
import type { BranchStandIn } from './stand-ins.js';

/** Logits of the least important 1 % and of the last point of the curve: scores 0.007 and 0.993. */
const LOW = { share: 0.01, logit: -5 };
const HIGH_LOGIT = 5;

/**
 * Turns predicted importances into gates. One increasing affine map for all branches puts the importances that budgets
 * choose between into the steep part of the sigmoid, where neighbouring scores stay distinct in float32.
 *
 * @param highShare share of the free branches' rows below the highest threshold that will be asked for
 * @throws NothingToFitError where all importances are the same
 */
export function toGateSet(
  rows: readonly BranchRow[],
  scores: readonly Float64Array[],
  free: readonly number[],
  standIns: readonly BranchStandIn[],
  highShare: number,
): GateSet {
  const low = pooledQuantile(scores, free, LOW.share);
  const high = pooledQuantile(scores, free, highShare);
  if (!(high > low)) throw new NothingToFitError('all branches and tokens are predicted to be of the same importance');
  const slope = (HIGH_LOGIT - LOW.logit) / (high - low);
  const gates = rows.map(
    ({ weight, bias }): GateParameters => ({
      weight: Float32Array.from(weight, (value) => value * slope),
      bias: Float32Array.of((bias - low) * slope + LOW.logit),
    }),
  );
  const maps = standIns.flatMap(({ map }) => (map ? [map] : []));
  return {
    spec: { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false },
    hiddenSize: rows[0]?.weight.length ?? 0,
    gates,
    standIns: standIns.map(({ vector }) => vector),
    ...(maps.length > 0 && { standInMaps: maps }),
  };
}

/** The scores that the gates give to traced inputs, as a backend would: [2L][rows]. */
export function sigmoidScores(gates: GateSet, inputs: readonly Float32Array[], rows: number): Float64Array[] {
  const d = gates.hiddenSize;
  return gates.gates.map(({ weight, bias }, branch) => {
    const x = inputs[branch] as Float32Array;
    return Float64Array.from({ length: rows }, (_, row) => {
      let sum = bias[0] as number;
      for (let j = 0; j < d; j++) sum += (weight[j] as number) * (x[row * d + j] as number);
      return 1 / (1 + Math.exp(-sum));
    });
  });
}
