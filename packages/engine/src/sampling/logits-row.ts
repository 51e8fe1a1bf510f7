import type { StepResult } from '@gateskip/backend';

/**
 * One output row of a step, in either form: all logits, or the leading ones in order. Reused from token to token.
 * Everything reads it through {@link leadingCandidates}, {@link largestLogit} and {@link logSumExp}, which give the same
 * for both forms, so that a batch mate who needs all logits changes nobody's text.
 */
export class LogitsRow {
  /** All logits at `offset`, or the leading ones. */
  logits: Float32Array = new Float32Array(0);
  /** Ids of the leading logits; undefined where all are there and the index is the id. */
  tokens: Int32Array | undefined;
  offset = 0;
  count = 0;
  private givenLogSumExp = 0;

  /** Points at output `output` of a step. */
  select(result: StepResult, output: number, vocabularySize: number): this {
    if (result.top) {
      const { count, tokens, logits } = result.top;
      this.logits = logits;
      this.tokens = tokens;
      this.offset = output * count;
      this.count = count;
      this.givenLogSumExp = result.top.logSumExp[output] ?? Number.NaN;
    } else {
      this.useAll(result.logits ?? new Float32Array(0), output * vocabularySize, vocabularySize);
    }
    return this;
  }

  useAll(logits: Float32Array, offset: number, vocabularySize: number): this {
    this.logits = logits;
    this.tokens = undefined;
    this.offset = offset;
    this.count = vocabularySize;
    return this;
  }

  /** The largest logit, or NaN where the row holds NaN or +Infinity or nothing above -Infinity. */
  largestLogit(): number {
    const { logits, offset, count } = this;
    if (this.tokens) {
      const first = logits[offset] ?? Number.NaN;
      return Number.isFinite(first) && Number.isFinite(this.givenLogSumExp) ? first : Number.NaN;
    }
    let largest = Number.NEGATIVE_INFINITY;
    for (let index = offset; index < offset + count; index++) {
      const logit = logits[index] ?? Number.NaN;
      if (!(logit < Number.POSITIVE_INFINITY)) return Number.NaN;
      if (logit > largest) largest = logit;
    }
    return Number.isFinite(largest) ? largest : Number.NaN;
  }

  /** Log of the sum of exp over the whole vocabulary, in float64, stated to float32 like a backend states it. */
  logSumExp(largest: number): number {
    if (this.tokens) return this.givenLogSumExp;
    const { logits, offset, count } = this;
    let sum = 0;
    for (let index = offset; index < offset + count; index++) sum += Math.exp((logits[index] ?? 0) - largest);
    return Math.fround(largest + Math.log(sum));
  }

  /** Logit of one token; NaN where it is not among the leading ones. */
  logitOf(token: number): number {
    const { logits, tokens, offset, count } = this;
    if (!tokens) return logits[offset + token] ?? Number.NaN;
    for (let index = offset; index < offset + count; index++) if (tokens[index] === token) return logits[index] ?? Number.NaN;
    return Number.NaN;
  }
}
