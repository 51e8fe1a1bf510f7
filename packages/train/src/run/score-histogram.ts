/** Logits of scores are counted in this range; float32 tells no more apart near 1, and nobody skips there. */
const LOW = -16;
const HIGH = 16;
const BINS = 4096;
const PER_LOGIT = BINS / (HIGH - LOW);

/**
 * How much could be saved below each score: a running histogram of scores over all branches, each row weighted by the MACs
 * that its skip saves. Answers the one question of a global budget: which threshold saves a share of the dense MACs.
 */
export class ScoreHistogram {
  /** MACs per bin of the logit. */
  readonly bins: Float64Array;
  /** Dense MACs of the rows that were counted. */
  denseMacs: number;

  constructor(bins: Float64Array = new Float64Array(BINS), denseMacs = 0) {
    this.bins = bins.slice();
    this.denseMacs = denseMacs;
  }

  static readonly length = BINS;

  add(score: number, savedMacs: number): void {
    // NaN is kept, so it saves nothing.
    if (!(score > 0)) {
      if (score <= 0) this.bins[0]! += savedMacs;
      return;
    }
    const logit = Math.log(score / (1 - score));
    const bin = Math.floor((logit - LOW) * PER_LOGIT);
    this.bins[Math.min(BINS - 1, Math.max(0, bin))]! += savedMacs;
  }

  /** What was counted before weighs less from now on. */
  decay(factor: number): void {
    for (let bin = 0; bin < BINS; bin++) this.bins[bin]! *= factor;
    this.denseMacs *= factor;
  }

  /** The threshold that saves a share of the dense MACs, linear within a bin, as float32; 0 saves nothing. */
  threshold(share: number): number {
    const wanted = share * this.denseMacs;
    if (!(wanted > 0)) return 0;
    let below = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const here = this.bins[bin]!;
      if (below + here >= wanted && here > 0) return sigmoid(LOW + (bin + (wanted - below) / here) / PER_LOGIT);
      below += here;
    }
    return sigmoid(HIGH);
  }
}

const sigmoid = (logit: number): number => Math.fround(1 / (1 + Math.exp(-logit)));
