/** Dense log-probabilities of some rows, to compare others with. */
export interface DenseRows {
  readonly rows: number;
  readonly vocabulary: number;
  /** [rows, vocabulary] */
  readonly logProbabilities: Float32Array;
  /** Likeliest token: [rows] */
  readonly top: Int32Array;
}

/** Sums over rows; divide by `rows`. */
export interface Divergence {
  rows: number;
  kl: number;
  agreed: number;
  /** Negative log-likelihood of the tokens that really follow, over `followed` rows. */
  surprise: number;
  followed: number;
}

export const emptyDivergence = (): Divergence => ({ rows: 0, kl: 0, agreed: 0, surprise: 0, followed: 0 });

export function denseRows(logits: Float32Array, vocabulary: number): DenseRows {
  const rows = logits.length / vocabulary;
  const logProbabilities = new Float32Array(logits.length);
  const top = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const { logSumExp, best } = normalizer(logits, row * vocabulary, vocabulary);
    for (let token = 0; token < vocabulary; token++) {
      logProbabilities[row * vocabulary + token] = (logits[row * vocabulary + token] as number) - logSumExp;
    }
    top[row] = best;
  }
  return { rows, vocabulary, logProbabilities, top };
}

/**
 * Adds KL(dense || this) and the like for rows of logits.
 *
 * @param next the token that follows each row, -1 where none does
 */
export function addDivergence(sum: Divergence, dense: DenseRows, logits: Float32Array, next: Int32Array): void {
  const { vocabulary } = dense;
  for (let row = 0; row < dense.rows; row++) {
    const { kl, agreed, logSumExp } = rowDivergence(dense, row, logits);
    sum.rows++;
    sum.kl += kl;
    if (agreed) sum.agreed++;
    const follower = next[row] as number;
    if (follower >= 0) {
      sum.surprise += logSumExp - (logits[row * vocabulary + follower] as number);
      sum.followed++;
    }
  }
}

/** KL(dense || this) of one row, in nats. */
export function rowDivergence(dense: DenseRows, row: number, logits: Float32Array): { kl: number; agreed: boolean; logSumExp: number } {
  const { vocabulary } = dense;
  const at = row * vocabulary;
  const { logSumExp, best } = normalizer(logits, at, vocabulary);
  let kl = 0;
  for (let token = 0; token < vocabulary; token++) {
    const logP = dense.logProbabilities[at + token] as number;
    // exp(-25) x any sensible difference is below the float32 rounding of the sum.
    if (logP > -25) kl += Math.exp(logP) * (logP - (logits[at + token] as number) + logSumExp);
  }
  return { kl: Math.max(0, kl), agreed: best === dense.top[row], logSumExp };
}

function normalizer(logits: Float32Array, at: number, vocabulary: number): { logSumExp: number; best: number } {
  let highest = Number.NEGATIVE_INFINITY;
  let best = 0;
  for (let token = 0; token < vocabulary; token++) {
    const logit = logits[at + token] as number;
    if (logit > highest) {
      highest = logit;
      best = token;
    }
  }
  let sum = 0;
  for (let token = 0; token < vocabulary; token++) sum += Math.exp((logits[at + token] as number) - highest);
  return { logSumExp: highest + Math.log(sum), best };
}
