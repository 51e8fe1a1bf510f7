import { InvalidArgumentError } from '@gateskip/errors';
import { type SkipTrace, scoreAt } from './trace.js';

export interface ScoreRange {
  readonly low: number;
  readonly high: number;
}

/** At most so many scores are sorted for the range; beyond it every n-th is taken. */
const SAMPLE = 65_536;

/**
 * The range the colours span: as given, or the 2 % and 98 % quantiles of the finite scores drawn, so that a few outliers
 * do not flatten the picture. Without any score: 0..1.
 *
 * @throws InvalidArgumentError for a given range that is not finite and ascending.
 */
export function scoreRange(trace: SkipTrace, from: number, to: number, given?: readonly [low: number, high: number]): ScoreRange {
  if (given) {
    const [low, high] = given;
    if (!Number.isFinite(low) || !Number.isFinite(high) || low >= high) {
      throw new InvalidArgumentError(`The score range [${low}, ${high}] is not ascending.`, 'Pass [low, high] with low < high.', {
        what: 'range',
        got: [low, high],
      });
    }
    return { low, high };
  }
  const cells = (to - from) * trace.branches;
  const stride = Math.max(1, Math.ceil(cells / SAMPLE));
  const found: number[] = [];
  for (let cell = 0; cell < cells; cell += stride) {
    const score = scoreAt(trace, from + Math.floor(cell / trace.branches), cell % trace.branches);
    if (Number.isFinite(score)) found.push(score);
  }
  if (found.length === 0) return { low: 0, high: 1 };
  const sorted = Float64Array.from(found).sort();
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] as number;
  return { low: at(0.02), high: at(0.98) };
}
