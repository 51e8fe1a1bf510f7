import { branchCount, type CalibrationKnot } from '@gateskip/gate';

/**
 * Shares of the low-rank additions for threshold 0 and for each threshold, where an adapter's gates are replaced: those that its own curve
 * has where as much is skipped. Whatever the estimate of that is off by does no harm, as the new curve says what was measured with which
 * share.
 *
 * @param curve the adapter's own
 * @param scores of the new gates in the dense run: [2L][rows]
 * @param free branches that may skip
 * @returns undefined where the adapter always adds in full
 */
export function keptStrengths(
  curve: readonly CalibrationKnot[],
  scores: readonly Float64Array[],
  free: readonly number[],
  thresholds: readonly number[],
): number[] | undefined {
  if (curve[0]?.loraStrength === undefined) return undefined;
  const skipAt = (threshold: number): number => {
    const shares = free.map((branch) => share(scores[branch]!, threshold));
    return shares.reduce((sum, each) => sum + each, 0) / branchCount({ layers: scores.length / 2 });
  };
  return [0, ...thresholds.map(skipAt)].map((skip) => strengthAt(curve, skip));
}

function share(scores: Float64Array, threshold: number): number {
  return scores.reduce((sum, score) => sum + (score <= threshold ? 1 : 0), 0) / Math.max(1, scores.length);
}

/** Linear between the points around it, as budgets read it. */
function strengthAt(curve: readonly CalibrationKnot[], skip: number): number {
  const above = curve.findIndex((knot) => knot.skip >= skip);
  const high = curve[above] ?? curve.at(-1)!;
  const low = curve[Math.max(0, above - 1)]!;
  if (above <= 0 || high.skip <= low.skip) return high.loraStrength!;
  return low.loraStrength! + ((high.loraStrength! - low.loraStrength!) * (skip - low.skip)) / (high.skip - low.skip);
}
