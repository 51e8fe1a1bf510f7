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
  return 1 - netFromSkips(shape, gates, { skipShares, scored, context: options.contextTokens, kv: options.kv });
}

/** The inverse of {@link uniformHeld}, by bisection (it grows with the share); clamped to 0..1. */
export function uniformShare(shape: ModelShape, gates: GateSpec | undefined, options: CommonOptions, axis: Axis, value: number): number {
  if (axis === 'skip') return Math.min(1, Math.max(0, (value * branchCount(shape)) / Math.max(1, options.unprotected)));
  let low = 0;
  let high = 1;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (uniformHeld(shape, gates, options, axis, middle) < value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
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
