import type { Runner, Segment, SequenceId, TopLogits } from '@gateskip/backend';
import { AbortedError } from '@gateskip/errors';
import { branchCount, densePlan } from '@gateskip/gate';
import { emptyRows, type PackedRows, packRows } from './teacher-codec.js';

interface Wanted {
  readonly tokens: Int32Array;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (rows: PackedRows) => void;
  readonly reject: (error: unknown) => void;
}

/** Runs sequences that are asked for at about the same time side by side, up to `maxRows` rows a step. */
export class StepQueue {
  private readonly waiting: Wanted[] = [];
  private working: Promise<void> | undefined;

  constructor(
    private readonly runner: () => Promise<Runner>,
    private readonly options: { readonly count: number; readonly maxRows: number },
  ) {}

  rows(tokens: Int32Array, signal: AbortSignal | undefined): Promise<PackedRows> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ tokens, signal, resolve, reject });
      this.working ??= this.work();
    });
  }

  /** Until nothing runs any more. */
  async idle(): Promise<void> {
    await this.working;
  }

  private async work(): Promise<void> {
    // Whoever asks in the same turn of the event loop is in the first step.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0) {
      const group = this.take();
      try {
        const rows = await this.run(group);
        group.forEach(({ resolve }, index) => resolve(rows[index] as PackedRows));
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.working = undefined;
  }

  private take(): Wanted[] {
    const group: Wanted[] = [];
    let rows = 0;
    for (let first = this.waiting[0]; first; first = this.waiting[0]) {
      if (first.signal?.aborted) first.reject(new AbortedError('Asking the teacher'));
      else {
        if (group.length > 0 && rows + first.tokens.length > this.options.maxRows) break;
        group.push(first);
        rows += first.tokens.length;
      }
      this.waiting.shift();
    }
    return group;
  }

  /** One step, or several where a single sequence has more than `maxRows` rows. */
  private async run(group: readonly Wanted[]): Promise<PackedRows[]> {
    if (group.length === 0) return [];
    const runner = await this.runner();
    const { vocabularySize } = runner.config;
    const packed = group.map(({ tokens }) => emptyRows(tokens.length, this.options.count, vocabularySize));
    const sequences = group.map(() => runner.openSequence());
    // A step that others wait for too ends early only where all of them stop.
    const [first] = group;
    const signal = group.every((wanted) => wanted.signal === first?.signal) ? first?.signal : undefined;
    try {
      const longest = Math.max(...group.map(({ tokens }) => tokens.length));
      const chunk = this.options.maxRows;
      for (let start = 0; start < longest; start += chunk) {
        const parts = group.map(({ tokens }) => tokens.subarray(start, start + chunk));
        const top = await this.step(runner, sequences, parts, signal);
        let row = 0;
        parts.forEach((part, index) => {
          packRows(packed[index] as PackedRows, start, top, row, part.length, vocabularySize);
          row += part.length;
        });
      }
    } finally {
      for (const sequence of sequences) runner.closeSequence(sequence);
    }
    return packed;
  }

  private async step(
    runner: Runner,
    sequences: readonly SequenceId[],
    parts: readonly Int32Array[],
    signal: AbortSignal | undefined,
  ): Promise<TopLogits> {
    const count = parts.reduce((sum, { length }) => sum + length, 0);
    const tokens = new Int32Array(count);
    const segments: Segment[] = [];
    let start = 0;
    parts.forEach((part, index) => {
      tokens.set(part, start);
      segments.push({ sequence: sequences[index] as SequenceId, start, length: part.length, plan: 0 });
      start += part.length;
    });
    const outputs = Int32Array.from({ length: count }, (_, row) => row);
    const plan = densePlan(branchCount(runner.config));
    const { top } = await runner.step({ tokens, segments, outputs, topLogits: this.options.count }, [plan], signal);
    return top as TopLogits;
  }
}
