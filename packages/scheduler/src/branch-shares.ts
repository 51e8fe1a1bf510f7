import { branchCount, type Calibration, type GateSpec, type ModelShape, netFromSkips } from '@gateskip/gate';
import { budgetCurve, locate } from './budget-curve.js';
import { PolicyNeedsError, UnreachableBudgetError } from './errors.js';
import type { CommonOptions } from './options.js';
import type { PolicyContext } from './policy.js';
import type { Axis, Target } from './target.js';

/** What skipping the same share of every free branch holds on an axis, by formula, gates counted. */
export function uniformHeld(shape: ModelShape, gates: GateSpec | undefined, options: CommonOptions, axis: Axis, share: number): number {
  if (axis === 'skip') return (share * options.unprotected) / branchCount(shape);
  const scored = Array.from(options.isProtected, (flag) => 1 - flag);
  const skipShares = scored.map((flag) => share * flag);
  const { contextTokens: context, kv, standInMacs } = options;
  return 1 - netFromSkips(shape, gates, { skipShares, scored, context, kv, standInMacs });
}

/**
 * The inverse of {@link uniformHeld} as a function of what is held, clamped to 0..1. What is held is a polynomial of the
 * share of degree 2 at most (`absent`: fewer kept rows, and fewer rows seen by each), so three points fix it exactly.
 */
export function uniformShareOf(
  shape: ModelShape,
  gates: GateSpec | undefined,
  options: CommonOptions,
  axis: Axis,
): (held: number) => number {
  const [start, middle, end] = [0, 0.5, 1].map((share) => uniformHeld(shape, gates, options, axis, share)) as [number, number, number];
  const square = 2 * (end - 2 * middle + start);
  const slope = end - start - square;
  return (held) => {
    if (held <= start) return 0;
    if (held >= end) return 1;
    // The root of square p^2 + slope p - (held - start) in 0..1, in the form that stays exact for square = 0.
    const rise = held - start;
    return Math.min(1, (2 * rise) / (slope + Math.sqrt(Math.max(0, slope * slope + 4 * square * rise))));
  };
}

/** @throws UnreachableBudgetError where not even skipping every free branch holds the target */
export function checkUniformReach(
  policy: string,
  context: PolicyContext,
  gates: GateSpec | undefined,
  options: CommonOptions,
  target: Target,
): void {
  const most = uniformHeld(context.shape, gates, options, target.axis, 1);
  if (target.value > most)
    throw unreachable(policy, target, most, `${options.unprotected} of ${options.isProtected.length} branches may skip`);
}

/** The error for a target above `most`, in the words of the budget's axis. */
export function unreachable(policy: string, target: Target, most: number, why: string): UnreachableBudgetError {
  const reachable =
    target.axis === 'skip' ? { unit: 'skip', from: 0, to: Math.max(0, most) } : { unit: 'net', from: Math.min(1, 1 - most), to: 1 };
  const gates = target.axis === 'saved' ? ', gates counted' : '';
  return new UnreachableBudgetError(policy, target.asked, reachable, `${why}${gates}`);
}

/**
 * Shares per branch that the calibration measured at a budget under one global threshold: [2L], 0 where protected.
 *
 * @throws PolicyNeedsError without `branchSkips`, UnreachableBudgetError beyond the curve
 */
export function calibratedShares(
  policy: string,
  context: PolicyContext,
  calibration: Calibration,
  options: CommonOptions,
  target: Target,
): Float64Array {
  const { branchSkips } = calibration;
  const branches = branchCount(context.shape);
  if (branchSkips === undefined || branchSkips.length !== calibration.curve.length || branchSkips.some((row) => row.length !== branches)) {
    throw new PolicyNeedsError(policy, 'calibration');
  }
  const curve = budgetCurve(context.shape, context.gates, calibration, options, target.axis);
  if (target.value > curve.measuredEnd) throw unreachable(policy, target, curve.measuredEnd, 'the calibration goes no further');
  const { index, part } = locate(curve.values, target.value);
  const below = branchSkips[index]!;
  const above = branchSkips[Math.min(index + 1, branchSkips.length - 1)]!;
  return Float64Array.from(options.isProtected, (flag, branch) => (flag ? 0 : below[branch]! + (above[branch]! - below[branch]!) * part));
}
