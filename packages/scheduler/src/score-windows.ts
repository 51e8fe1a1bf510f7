import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { type Calibration, sortedQuantile } from '@gateskip/gate';
import { locate } from './budget-curve.js';
import type { ThresholdSource } from './threshold-sequence.js';

/** Scores drawn from the calibration that stand for a past the sequence does not have yet, per branch. */
const PRIOR_SCORES = 16;

/** Evenly spaced quantiles of each branch's calibrated scores: [2L][16], ascending. Checked. */
export function calibratedScores(calibration: Calibration, branches: number): readonly Float64Array[] {
  const { levels, branchQuantiles } = calibration;
  const remedy = 'The adapter is damaged: fit it again.';
  if (levels.length < 2 || levels.some((level, i) => !(level >= 0 && level <= 1) || level < (levels[i - 1] ?? 0))) {
    throw new InvalidArgumentError('The quantile levels of the calibration do not ascend within 0..1.', remedy);
  }
  if (branchQuantiles.length !== branches)
    throw new ShapeMismatchError('Score quantiles of the calibration', [branches], [branchQuantiles.length], remedy);
  return branchQuantiles.map((quantiles, branch) => {
    if (quantiles.length !== levels.length)
      throw new ShapeMismatchError(`Score quantiles of branch ${branch}`, [levels.length], [quantiles.length], remedy);
    if (quantiles.some((value) => !Number.isFinite(value)))
      throw new InvalidArgumentError(`Score quantiles of branch ${branch} are not finite.`, remedy);
    return Float64Array.from({ length: PRIOR_SCORES }, (_, i) => {
      const { index, part } = locate(levels, (i + 0.5) / PRIOR_SCORES);
      return quantiles[index]! + (quantiles[index + 1]! - quantiles[index]!) * part;
    }).sort();
  });
}

/**
 * A threshold per branch: the quantile of that branch's own last scores, exact over a window, with the calibration's
 * scores mixed in while the past is short. A NaN score counts as the highest.
 */
export class ScoreWindows implements ThresholdSource {
  readonly wantsScores = true;
  readonly #prior: readonly Float64Array[];
  readonly #isProtected: Uint8Array;
  readonly #shareOf: (used: number) => number;
  /** [2L, window], a ring per branch. */
  readonly #scores: Float64Array;
  readonly #window: number;
  #count = 0;

  constructor(prior: readonly Float64Array[], isProtected: Uint8Array, window: number, shareOf: (used: number) => number) {
    this.#prior = prior;
    this.#isProtected = isProtected;
    this.#window = window;
    this.#shareOf = shareOf;
    this.#scores = new Float64Array(prior.length * window);
  }

  thresholds(used: number): Float32Array {
    const share = this.#shareOf(used);
    const count = Math.min(this.#count, this.#window);
    return Float32Array.from(this.#isProtected, (flag, branch) => {
      if (flag || share <= 0) return 0;
      const prior = this.#prior[branch]!;
      const sorted = new Float64Array(prior.length + count);
      sorted.set(prior);
      sorted.set(this.#scores.subarray(branch * this.#window, branch * this.#window + count), prior.length);
      return Math.min(1, Math.max(0, sortedQuantile(sorted.sort(), share)));
    });
  }

  learn(scores: Float32Array, offset: number, rows: number): void {
    const slot = this.#count % this.#window;
    for (let branch = 0; branch < this.#prior.length; branch++) {
      const score = scores[branch * rows + offset]!;
      this.#scores[branch * this.#window + slot] = Number.isNaN(score) ? Number.POSITIVE_INFINITY : score;
    }
    this.#count += 1;
  }

  clone(): ScoreWindows {
    const copy = new ScoreWindows(this.#prior, this.#isProtected, this.#window, this.#shareOf);
    copy.#scores.set(this.#scores);
    copy.#count = this.#count;
    return copy;
  }
}
