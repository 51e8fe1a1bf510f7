import type { Capabilities, Runner, SequenceId, StepInput, StepResult } from '@gateskip/backend';
import type { Plan } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';

/** A runner whose next token depends on the last one alone, by a table of probabilities: what is right can be worked out by hand. */
export class TableRunner implements Runner {
  readonly backend = 'table';
  readonly config;
  readonly adapter = undefined;
  readonly details = {};
  readonly capabilities: Capabilities = { rules: ['keep'], scorers: ['none'], kvModes: ['project'], canTrain: false, batchInvariant: true };
  readonly #table: readonly (readonly number[])[];
  readonly #lengths = new Map<SequenceId, number>();
  #next = 0;

  constructor(table: readonly (readonly number[])[]) {
    this.#table = table;
    this.config = createRandomModel({ seed: 1, config: { layers: 1, vocabularySize: table.length, contextLength: 64 } }).config;
  }

  get openSequences(): number {
    return this.#lengths.size;
  }

  openSequence(): SequenceId {
    this.#lengths.set(this.#next, 0);
    return this.#next++;
  }

  fork(sequence: SequenceId, length = this.sequenceLength(sequence)): SequenceId {
    this.#lengths.set(this.#next, length);
    return this.#next++;
  }

  truncate(sequence: SequenceId, length: number): void {
    this.#lengths.set(sequence, length);
  }

  closeSequence(sequence: SequenceId): void {
    if (!this.#lengths.delete(sequence)) throw new Error(`Sequence ${sequence} is not open.`);
  }

  sequenceLength(sequence: SequenceId): number {
    const length = this.#lengths.get(sequence);
    if (length === undefined) throw new Error(`Sequence ${sequence} is not open.`);
    return length;
  }

  kvUsage() {
    return { used: 0, dense: 0, bytes: 0 };
  }

  async step({ tokens, segments, outputs, topLogits, picks }: StepInput, plans: readonly Plan[]): Promise<StepResult> {
    for (const { sequence, length } of segments) this.#lengths.set(sequence, this.sequenceLength(sequence) + length);
    const rows = Array.from(outputs, (row) => (this.#table[tokens[row] as number] as readonly number[]).map(Math.log));
    const counts = {
      kept: new Uint32Array(2 * plans.length),
      macs: new Float64Array(plans.length),
      denseMacs: new Float64Array(plans.length),
    };
    if (topLogits === undefined) return { logits: Float32Array.from(rows.flat()), ...counts };
    const best = rows.map((row) => row.indexOf(Math.max(...row)));
    const top = {
      count: 1,
      tokens: Int32Array.from(best),
      logits: Float32Array.from(best, (token, at) => (rows[at] as number[])[token] as number),
      logSumExp: new Float32Array(rows.length),
    };
    const picked =
      picks && Float32Array.from(picks.tokens, (token, at) => (rows[picks.outputs[at] as number] as number[])[token] as number);
    return { top, ...(picked && { picked }), ...counts };
  }

  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}
