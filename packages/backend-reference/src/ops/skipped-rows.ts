import type { Rule } from '@gateskip/gate';

/**
 * Which rows of one plan skip one branch.
 *
 * @param scores of the plan's rows in row order; only read where the rule compares scores
 * @param pinned 1 = never skips
 * @returns 1 = skips, per row
 */
export function skippedRows(rule: Rule, value: number, scores: Float32Array, pinned: Uint8Array): Uint8Array {
  const skipped = new Uint8Array(pinned.length);
  const unpinned: number[] = [];
  for (let i = 0; i < pinned.length; i++) if (pinned[i] === 0) unpinned.push(i);
  switch (rule) {
    case 'threshold':
      skipAtOrBelow(value, unpinned, scores, skipped);
      break;
    case 'fraction':
      for (const i of ranked(unpinned, scores).slice(0, Math.floor(value * unpinned.length))) skipped[i] = 1;
      break;
    case 'quantile':
      if (value > 0 && unpinned.length > 0) skipAtOrBelow(quantile(ranked(unpinned, scores), scores, value), unpinned, scores, skipped);
      break;
    case 'repeat':
      if (value === 0) for (const i of unpinned) skipped[i] = 1;
      break;
    default:
      break;
  }
  return skipped;
}

/** Compared as float32, so that every backend agrees on what equality is. NaN compares false: its row is kept. */
function skipAtOrBelow(threshold: number, rows: readonly number[], scores: Float32Array, skipped: Uint8Array): void {
  const limit = Math.fround(threshold);
  for (const i of rows) if (scores[i]! <= limit) skipped[i] = 1;
}

/** Ascending by score, ties by row order, NaN as the highest. */
function ranked(rows: readonly number[], scores: Float32Array): number[] {
  const key = (i: number) => (Number.isNaN(scores[i]!) ? Number.POSITIVE_INFINITY : scores[i]!);
  return [...rows].sort((a, b) => (key(a) === key(b) ? a - b : key(a) < key(b) ? -1 : 1));
}

/** Linear interpolation between the two scores around `share * (n - 1)`. */
function quantile(order: readonly number[], scores: Float32Array, share: number): number {
  const at = share * (order.length - 1);
  const low = scores[order[Math.floor(at)]!]!;
  const high = scores[order[Math.ceil(at)]!]!;
  return low + (high - low) * (at - Math.floor(at));
}
