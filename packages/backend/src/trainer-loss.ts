/** What a training step minimises: the sum of its parts, each times its weight. At least one part. */
export interface TrainLoss {
  /** Importance of each row in the token losses, finite and at least 0: [N]. Default: all 1. Rows of 0 cost no head. */
  readonly rowWeights?: Float32Array;
  readonly crossEntropy?: CrossEntropyLoss;
  readonly teacher?: TeacherLoss;
  readonly gates?: GateRegulariser;
}

/** `sum_n w_n * -ln q_n[target_n] / divisor`, q_n the softmax of row n's logits, over the rows with a target. */
export interface CrossEntropyLoss {
  /** What row n should predict (usually the next token); -1 = nothing: [N]. */
  readonly targets: Int32Array;
  readonly weight: number;
  /**
   * Default: the sum of the weights of the rows that count here, which makes it a mean (0 such rows: the part is 0).
   * Give the sum over all micro-batches of an update so that accumulated gradients are those of one large batch.
   */
  readonly divisor?: number;
}

/**
 * Divergence from a teacher known by its likeliest K tokens and the mass of all others, which count as one class:
 *
 *     sum_n w_n / divisor * ( sum_k p_nk (ln p_nk - ln q_n[token_nk]) + t_n (ln t_n - ln r_n) )
 *
 * with p = exp(log-probability), t the tail mass and r_n = the sum of q_n over all tokens outside the K. It is a lower
 * bound of the full KL divergence, equal to it for K = vocabulary. With P_n = sum_k p_nk + t_n and e_n the softmax
 * restricted to the tokens outside the K, the gradient of row n with respect to logit v is `P q[v] - p_v` inside and
 * `P q[v] - t e[v]` outside. Terms of zero probability are zero.
 */
export interface TeacherLoss {
  /** K, 1..1024 and at most the vocabulary. */
  readonly count: number;
  /** [N, K], different tokens within a row. Rows of weight 0 are not read. */
  readonly tokens: Int32Array;
  /** Natural logarithms, at most 0; -Infinity = zero: [N, K]. */
  readonly logProbabilities: Float32Array;
  /** Probability of all other tokens, 0..1; ignored where K = vocabulary: [N]. Zero throughout = a divergence over the K tokens only. */
  readonly tailMass: Float32Array;
  readonly weight: number;
  /** As that of the cross-entropy, over all rows. */
  readonly divisor?: number;
}

/**
 * Keeps gates from staying open: `gateL2Loss`, `gateL1Loss` or `gateDensityLoss` of the gate package over the outputs of
 * the branches' gates (before any skipping): a mean over branches. Needs scorer `gate`.
 */
export interface GateRegulariser {
  readonly kind: 'l2' | 'l1' | 'density';
  readonly weight: number;
  /** Wanted mean of the outputs, 0..1, for `density`. */
  readonly density?: number;
  /** 1 = the row counts: [N]. Published: not padding, not end tokens. Default: all. */
  readonly rows?: Uint8Array;
  /** Branches that count, ascending. Default: all whose rule is not `repeat`, which cannot be told to name those. */
  readonly branches?: readonly number[];
}
