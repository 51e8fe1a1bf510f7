import type { StepResult } from '@gateskip/backend';
import type { GenerationTrace } from './api.js';

/** Scores and kept flags of one request, gathered step by step and turned to [tokens, 2L]. Grows by doubling. */
export class TraceCollector {
  private rows = 0;
  private scores: Float32Array; // [capacity, 2L]
  private kept: Uint8Array; // [capacity, 2L]

  constructor(
    private readonly branches: number,
    promptTokens: number,
  ) {
    this.scores = new Float32Array(promptTokens * branches);
    this.kept = new Uint8Array(promptTokens * branches);
  }

  /** Rows `start .. start + rows - 1` of a step of `stepRows` rows. */
  add(result: StepResult, start: number, rows: number, stepRows: number): void {
    this.reserve(this.rows + rows);
    const { branches } = this;
    for (let row = 0; row < rows; row++) {
      const to = (this.rows + row) * branches;
      for (let branch = 0; branch < branches; branch++) {
        const from = branch * stepRows + start + row;
        this.scores[to + branch] = result.scores?.[from] ?? Number.NaN;
        this.kept[to + branch] = result.keptRows?.[from] ?? 0;
      }
    }
    this.rows += rows;
  }

  clear(): void {
    this.rows = 0;
  }

  finish(tokens: readonly number[], texts: readonly string[], promptTokens: number): GenerationTrace {
    const length = this.rows * this.branches;
    return { tokens, texts, branches: this.branches, scores: this.scores.slice(0, length), kept: this.kept.slice(0, length), promptTokens };
  }

  private reserve(rows: number): void {
    const length = rows * this.branches;
    if (length <= this.kept.length) return;
    const scores = new Float32Array(Math.max(length, 2 * this.scores.length));
    const kept = new Uint8Array(scores.length);
    scores.set(this.scores);
    kept.set(this.kept);
    this.scores = scores;
    this.kept = kept;
  }
}
