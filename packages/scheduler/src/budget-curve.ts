import { InvalidArgumentError } from '@gateskip/errors';
import {
  branchCount,
  branchMacs,
  type Calibration,
  denseRowMacs,
  type GateSpec,
  gateMacs,
  type ModelShape,
  netFromSkips,
  rowCosts,
} from '@gateskip/gate';
import type { CommonOptions } from './options.js';
import type { Axis } from './target.js';

/** One axis of a calibration: what each threshold holds. Both lists ascend. */
export interface BudgetCurve {
  readonly thresholds: readonly number[];
  readonly values: readonly number[];
  /** The last value that was measured; beyond it lies only the end of the scale, where every free branch skips. */
  readonly measuredEnd: number;
}

/**
 * The calibration's curve on one axis, for the branches that may skip here: branches protected beyond the calibration
 * take their part of the skipping (by `branchSkips` where it is known, else an equal part) away from every knot. The
 * end of the scale (threshold 1: all free branches skip) is added, so that a controller has room above the last knot.
 */
export function budgetCurve(
  shape: ModelShape,
  gates: GateSpec | undefined,
  calibration: Calibration,
  options: Pick<CommonOptions, 'isProtected' | 'unprotected' | 'kv' | 'contextTokens' | 'standInMacs'>,
  axis: Axis,
): BudgetCurve {
  checkCurve(calibration);
  const { isProtected, unprotected, kv, contextTokens, standInMacs } = options;
  const branches = branchCount(shape);
  const costs = rowCosts(shape);
  const dense = denseRowMacs(shape, contextTokens);
  const calibrated = new Set(calibration.protectedBranches);
  const extra = Array.from({ length: branches }, (_, branch) => branch).filter((branch) => isProtected[branch] && !calibrated.has(branch));
  const gate = gates === undefined || gates.multiplies ? 0 : gateMacs(gates, shape.hiddenSize);
  const free = Math.max(1, branches - calibrated.size);
  const values: number[] = [];
  for (const [index, knot] of calibration.curve.entries()) {
    let value = axis === 'skip' ? knot.skip : 1 - knot.net;
    for (const branch of extra) {
      const share = calibration.branchSkips?.[index]?.[branch] ?? (knot.skip * branches) / free;
      if (axis === 'skip') value -= share / branches;
      else {
        const kvCost = branch % 2 === 0 && kv === 'project' ? costs.kvProjections : 0;
        value -= (share * (branchMacs(shape, branch, contextTokens) - kvCost - standInMacs) - gate) / dense;
      }
    }
    values.push(Math.max(value, values.at(-1) ?? value));
  }
  const measuredEnd = values.at(-1)!;
  const skipShares = Array.from(isProtected, (flag) => 1 - flag);
  const everything =
    axis === 'skip'
      ? unprotected / branches
      : 1 - netFromSkips(shape, gates, { skipShares, scored: skipShares, context: contextTokens, kv, standInMacs });
  return {
    thresholds: [...calibration.curve.map((knot) => knot.threshold), 1],
    values: [...values, Math.max(everything, measuredEnd)],
    measuredEnd,
  };
}

/** The threshold that holds a value, by linear interpolation; 0 below the curve, 1 above it. */
export function thresholdAt(curve: BudgetCurve, value: number): number {
  const { index, part } = locate(curve.values, value);
  const low = curve.thresholds[index]!;
  return low + (curve.thresholds[index + 1]! - low) * part;
}

/** Where a value lies in an ascending list: between `index` and `index + 1`, `part` of the way. Clamped to the ends. */
export function locate(values: readonly number[], value: number): { readonly index: number; readonly part: number } {
  if (!(value > values[0]!)) return { index: 0, part: 0 };
  const above = values.findIndex((candidate) => candidate >= value);
  if (above < 0) return { index: values.length - 2, part: 1 };
  const low = values[above - 1]!;
  return { index: above - 1, part: (value - low) / (values[above]! - low) };
}

function checkCurve({ curve }: Calibration): void {
  const remedy = 'The adapter is damaged: fit it again.';
  if (curve.length < 2) throw new InvalidArgumentError(`The calibration curve has ${curve.length} knots, at least 2 are needed.`, remedy);
  for (const [index, knot] of curve.entries()) {
    const before = curve[index - 1];
    const inRange = knot.threshold >= 0 && knot.threshold <= 1 && knot.skip >= 0 && knot.skip <= 1 && Number.isFinite(knot.net);
    const ascends =
      before === undefined ? knot.threshold === 0 && knot.skip === 0 : knot.threshold >= before.threshold && knot.skip >= before.skip;
    if (!inRange || !ascends)
      throw new InvalidArgumentError(`Knot ${index} of the calibration curve does not ascend within 0..1.`, remedy, {
        what: 'calibration',
        index,
        got: knot,
      });
  }
}
