import { pool } from './branch-scores.js';

const LEVELS = Array.from({ length: 21 }, (_, step) => step / 20);

/** Scores of the dense run at evenly spaced levels, per branch, linear between neighbours. */
export function quantilesOf(scores: readonly Float64Array[]): { levels: number[]; branchQuantiles: number[][] } {
  const branchQuantiles = scores.map((each) => {
    const sorted = each.slice().sort();
    return LEVELS.map((level) => quantile(sorted, level));
  });
  return { levels: LEVELS, branchQuantiles };
}

/** Thresholds below which the given shares of the named branches' scores lie, strictly ascending as float32, in (0, 1). */
export function thresholdsAt(scores: readonly Float64Array[], branches: readonly number[], shares: readonly number[]): number[] {
  const sorted = pool(scores, branches);
  const thresholds: number[] = [];
  for (const share of shares) {
    const threshold = Math.fround(quantile(sorted, share));
    if (threshold > (thresholds.at(-1) ?? 0) && threshold < 1) thresholds.push(threshold);
  }
  return thresholds;
}

function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below] as number;
  const high = sorted[Math.min(sorted.length - 1, below + 1)] as number;
  return low + (at - below) * (high - low);
}
