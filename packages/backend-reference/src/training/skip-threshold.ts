import { quantileThreshold, type Rule } from '@gateskip/gate';

/**
 * The score at or below which rows of a branch skipped, where its rule has one; see `StraightThroughOptions`.
 *
 * @param scores [N] float32, what the rule compared
 */
export function skipThreshold(
  rule: Rule,
  value: number,
  scores: Float32Array,
  pinned: Uint8Array,
  skipped: Uint8Array,
): number | undefined {
  if (rule === 'threshold') return Math.fround(value);
  if (rule === 'quantile') {
    const free = scores.filter((_, row) => pinned[row] === 0);
    return value === 0 || free.length < 2 ? undefined : quantileThreshold(free, value);
  }
  if (rule !== 'fraction') return undefined;
  const below = scores.filter((_, row) => skipped[row] === 1);
  return below.length === 0 ? undefined : below.reduce((highest, score) => Math.max(highest, score));
}
