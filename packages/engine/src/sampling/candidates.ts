import type { LogitsRow } from './logits-row.js';

/** The likeliest tokens of a row, likeliest first, ties by lower id. Room for a whole vocabulary, reused. */
export class Candidates {
  readonly tokens: Int32Array; // [vocabulary]
  readonly logits: Float32Array; // [vocabulary]
  count = 0;

  constructor(vocabularySize: number) {
    this.tokens = new Int32Array(vocabularySize);
    this.logits = new Float32Array(vocabularySize);
  }

  /** Takes the `wanted` leading tokens of a row. A row of leading logits must hold that many. */
  take(row: LogitsRow, wanted: number): this {
    const count = Math.min(wanted, row.count);
    this.count = count;
    if (row.tokens) {
      // Few numbers as a rule: a view of each array would cost more than copying them.
      for (let index = 0; index < count; index++) {
        this.tokens[index] = row.tokens[row.offset + index] ?? 0;
        this.logits[index] = row.logits[row.offset + index] ?? 0;
      }
      return this;
    }
    this.select(row.logits, row.offset, row.count);
    return this;
  }

  /** Heap of the `count` best seen so far with the worst of them on top; then sorted in place by taking the worst away. */
  private select(logits: Float32Array, offset: number, vocabularySize: number): void {
    const { tokens, logits: heap, count } = this;
    for (let token = 0; token < count; token++) {
      tokens[token] = token;
      heap[token] = logits[offset + token] ?? 0;
    }
    for (let parent = (count >> 1) - 1; parent >= 0; parent--) this.sink(parent, count);
    for (let token = count; token < vocabularySize; token++) {
      const logit = logits[offset + token] ?? 0;
      // A later token has the higher id, so at equal logits it is the worse one.
      if (logit <= (heap[0] ?? 0)) continue;
      heap[0] = logit;
      tokens[0] = token;
      this.sink(0, count);
    }
    for (let last = count - 1; last > 0; last--) {
      this.swap(0, last);
      this.sink(0, last);
    }
  }

  private sink(from: number, count: number): void {
    let parent = from;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= count) return;
      if (child + 1 < count && this.isWorse(child + 1, child)) child++;
      if (!this.isWorse(child, parent)) return;
      this.swap(child, parent);
      parent = child;
    }
  }

  private isWorse(a: number, b: number): boolean {
    const logitA = this.logits[a] ?? 0;
    const logitB = this.logits[b] ?? 0;
    return logitA < logitB || (logitA === logitB && (this.tokens[a] ?? 0) > (this.tokens[b] ?? 0));
  }

  private swap(a: number, b: number): void {
    const logit = this.logits[a] ?? 0;
    const token = this.tokens[a] ?? 0;
    this.logits[a] = this.logits[b] ?? 0;
    this.tokens[a] = this.tokens[b] ?? 0;
    this.logits[b] = logit;
    this.tokens[b] = token;
  }
}
