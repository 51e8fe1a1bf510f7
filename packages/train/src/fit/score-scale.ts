import type { GateParameters, GateSet } from '@gateskip/gate';
import { NothingToFitError } from '../errors.js';
import { type BranchRow, pooledQuantile } from './branch-scores.js';

/** Where the least important 1 % and the most important 20 % begin, as inputs of the sigmoid: scores 0.018 and 0.982. */
const LOW = { share: 0.01, logit: -4 };
const HIGH = { share: 0.8, logit: 4 };

/**
 * Turns predicted importances into gates. One increasing affine map for all branches puts the importances that budgets
 * choose between into the steep part of the sigmoid, where neighbouring scores stay distinct in float32.
 *
 * @throws NothingToFitError where all importances are the same
 */
export function toGateSet(
  rows: readonly BranchRow[],
  scores: readonly Float64Array[],
  free: readonly number[],
  standIns: readonly Float32Array[],
): GateSet {
  const low = pooledQuantile(scores, free, LOW.share);
  const high = pooledQuantile(scores, free, HIGH.share);
  if (!(high > low)) throw new NothingToFitError('all branches and tokens are predicted to be of the same importance');
  const slope = (HIGH.logit - LOW.logit) / (high - low);
  const gates = rows.map(
    ({ weight, bias }): GateParameters => ({
      weight: Float32Array.from(weight, (value) => value * slope),
      bias: Float32Array.of((bias - low) * slope + LOW.logit),
    }),
  );
  return {
    spec: { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false },
    hiddenSize: rows[0]?.weight.length ?? 0,
    gates,
    standIns,
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
