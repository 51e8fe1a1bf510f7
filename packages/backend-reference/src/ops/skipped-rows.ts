import { type Rule, rankFraction, rankQuantile } from '@gateskip/gate';

/**
 * Which rows of one plan skip one branch.
 *
 * @param scores of the plan's rows in row order; only read where the rule compares scores
 * @param pinned 1 = never skips
 * @returns 1 = skips, per row
 */
export function skippedRows(rule: Rule, value: number, scores: Float32Array, pinned: Uint8Array): Uint8Array {
  switch (rule) {
    case 'threshold':
      // Both are float32, so that every backend agrees on what equal is. NaN compares false: its row is kept.
      return pinned.map((pin, row) => (pin === 0 && scores[row]! <= Math.fround(value) ? 1 : 0));
    case 'fraction':
      return rankFraction(scores, pinned, value);
    case 'quantile':
      return rankQuantile(scores, pinned, value);
    case 'repeat':
      return pinned.map((pin) => (pin === 0 && value === 0 ? 1 : 0));
    default:
      return new Uint8Array(pinned.length);
  }
}
