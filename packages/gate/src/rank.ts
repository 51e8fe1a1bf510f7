import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';

/**
 * Rule `fraction`, the definition: exactly `floor(value * unpinned)` unpinned rows skip, the lowest scores first, ties by
 * row order (the lower row skips first). NaN ranks highest, but is kept only as far as the count allows: a NaN row that
 * would be taken stays kept all the same.
 *
 * @param scores [rows]
 * @param pinned [rows] or undefined
 * @returns [rows], 1 = skips
 */
export function rankFraction(scores: ArrayLike<number>, pinned: ArrayLike<number> | undefined, value: number): Uint8Array {
  checkShare(value);
  const rows = unpinnedRows(scores, pinned);
  const count = Math.floor(value * rows.length);
  const skips = new Uint8Array(scores.length);
  const ranked = rows.filter((row) => !Number.isNaN(scores[row]!)).sort((a, b) => scores[a]! - scores[b]! || a - b);
  for (const row of ranked.slice(0, count)) skips[row] = 1;
  return skips;
}

/**
 * Linear-interpolated quantile, as numpy's default: position `share * (n - 1)` in the sorted scores. NaN sorts highest;
 * the interpolation never reaches into NaN or infinity, it stops at the last finite score below. Computed in double
 * precision, returned as float32, what a plan compares with.
 *
 * @throws InvalidArgumentError for no scores or a share outside 0..1
 */
export function quantileThreshold(scores: ArrayLike<number>, share: number): number {
  checkShare(share);
  if (scores.length === 0) throw new InvalidArgumentError('A quantile of no scores was asked for.', 'Give at least one score.');
  const sorted = Float64Array.from(scores as ArrayLike<number> & Iterable<number>, (score) =>
    Number.isNaN(score) ? Number.POSITIVE_INFINITY : score,
  ).sort();
  return Math.fround(sortedQuantile(sorted, share));
}

/** {@link quantileThreshold} of scores that are sorted already, without rounding to float32. */
export function sortedQuantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  if (at === below) return low;
  const high = sorted[below + 1]!;
  return Number.isFinite(high) ? low + (high - low) * (at - below) : low;
}

/**
 * Rule `quantile`, the definition: a row skips where `score <= t`, t the {@link quantileThreshold} of the unpinned rows'
 * scores. Value 0 skips none, and so does a single unpinned row, as in the published code.
 *
 * @returns [rows], 1 = skips
 */
export function rankQuantile(scores: ArrayLike<number>, pinned: ArrayLike<number> | undefined, value: number): Uint8Array {
  checkShare(value);
  const rows = unpinnedRows(scores, pinned);
  const skips = new Uint8Array(scores.length);
  if (value === 0 || rows.length < 2) return skips;
  const threshold = quantileThreshold(
    rows.map((row) => scores[row]!),
    value,
  );
  for (const row of rows) if (Math.fround(scores[row]!) <= threshold) skips[row] = 1;
  return skips;
}

function unpinnedRows(scores: ArrayLike<number>, pinned: ArrayLike<number> | undefined): number[] {
  if (pinned !== undefined && pinned.length !== scores.length)
    throw new ShapeMismatchError('Pinned flags', [scores.length], [pinned.length]);
  return Array.from({ length: scores.length }, (_, row) => row).filter((row) => !pinned?.[row]);
}

function checkShare(share: number): void {
  if (!(share >= 0 && share <= 1)) throw new InvalidArgumentError(`A share must be in 0..1, got ${share}.`, '', { got: share });
}
