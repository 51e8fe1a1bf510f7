import type { Runner } from '@gateskip/backend';
import { AbortedError } from '@gateskip/errors';
import type { Tokenizer } from '@gateskip/model';
import type { Policy } from '@gateskip/scheduler';
import { LogitsNotFiniteError } from '../errors.js';
import { Admission } from '../scoring/admission.js';
import { Lane } from '../scoring/lane.js';
import type { StepLimits } from '../scoring/limits.js';
import { type LaneRows, runRows } from '../scoring/run-rows.js';
import type { Usage } from '../scoring/usage.js';

export interface Prompt {
  readonly tokens: Int32Array;
  readonly maxTokens: number;
}

export interface WrittenText {
  /** Which prompt it answers, from 0. */
  readonly index: number;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finish: 'stop' | 'length';
  readonly usage: Usage;
}

export interface GenerateOptions {
  readonly runner: Runner;
  readonly tokenizer: Tokenizer;
  readonly policy: Policy | undefined;
  readonly limits: StepLimits;
  readonly stop: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Texts that are written at a time. */
const MAX_WRITERS = 16;

/**
 * Greedy continuations, several at a time, as they end. Each sequence has its own plan and its own chunks: its text does not
 * depend on the others. A policy that couples sequences ranks each alone, so its single decode rows never skip.
 */
export async function* generateTexts(prompts: Iterable<Prompt>, options: GenerateOptions): AsyncGenerator<WrittenText> {
  const { runner, limits, signal } = options;
  const source = prompts[Symbol.iterator]();
  let count = 0;
  const most = { maxTokens: limits.maxTokens, maxSequences: Math.min(MAX_WRITERS, limits.maxSequences) };
  const admission = new Admission(most, async () => {
    const next = source.next();
    return next.done ? undefined : new Writer(next.value, count++, options);
  });
  const { running } = admission;
  try {
    for (;;) {
      await admission.fill();
      if (running.length === 0) return;
      if (signal?.aborted) throw new AbortedError('The evaluation');
      const active: Writer[] = [];
      const parts: LaneRows[] = [];
      let rows = 0;
      for (const writer of running) {
        const next = writer.next();
        if (parts.length > 0 && rows + next.tokens.length > limits.maxRows) continue;
        active.push(writer);
        parts.push(next);
        rows += next.tokens.length;
      }
      const { result, firstOutputs } = await runRows(runner, parts, { topLogits: 1, signal });
      for (const [at, writer] of active.entries()) {
        const first = firstOutputs[at] as number;
        const hasOutput = (parts[at] as LaneRows).outputs.length > 0;
        writer.take(
          hasOutput && result.top ? { token: result.top.tokens[first] as number, logit: result.top.logits[first] as number } : undefined,
        );
      }
      for (const writer of active) {
        if (!writer.isDone) continue;
        running.splice(running.indexOf(writer), 1);
        yield writer.finish();
      }
    }
  } finally {
    admission.close();
  }
}

class Writer {
  /** At most. */
  readonly tokens: number;
  readonly sequences = 1;
  readonly #prompt: Prompt;
  readonly #index: number;
  readonly #options: GenerateOptions;
  readonly #written: number[] = [];
  #bytes: Uint8Array[] = [];
  #lane: Lane | undefined;
  #finish: 'stop' | 'length' | undefined;
  #text = '';
  #usage: Usage | undefined;

  constructor(prompt: Prompt, index: number, options: GenerateOptions) {
    this.#prompt = prompt;
    this.#index = index;
    this.#options = options;
    this.tokens = prompt.tokens.length + prompt.maxTokens;
  }

  get isDone(): boolean {
    return this.#finish !== undefined;
  }

  next(): LaneRows {
    const { runner, policy, limits } = this.#options;
    const { tokens } = this.#prompt;
    this.#lane ??= Lane.open(runner, policy, tokens.length);
    const lane = this.#lane;
    if (lane.position >= tokens.length) return { lane, tokens: Int32Array.of(this.#written.at(-1) as number), outputs: [0] };
    const rows = Math.min(limits.chunkRows, tokens.length - lane.position, lane.span);
    const isLast = lane.position + rows === tokens.length;
    return { lane, tokens: tokens.subarray(lane.position, lane.position + rows), outputs: isLast ? [rows - 1] : [] };
  }

  take(top: { readonly token: number; readonly logit: number } | undefined): void {
    if (top === undefined) return;
    const { tokenizer, stop } = this.#options;
    if (!Number.isFinite(top.logit)) throw new LogitsNotFiniteError(`token ${this.#written.length} of an answer`);
    if (tokenizer.stopTokens.has(top.token)) return this.#end('stop');
    this.#written.push(top.token);
    this.#bytes.push(tokenizer.tokenBytes(top.token));
    // Bytes of half a character become U+FFFD until the rest comes.
    this.#text = Buffer.concat(this.#bytes).toString('utf8');
    const found = stop.map((text) => this.#text.indexOf(text)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#text = this.#text.slice(0, Math.min(...found));
      this.#end('stop');
    } else if (this.#written.length >= this.#prompt.maxTokens) this.#end('length');
  }

  finish(): WrittenText {
    return {
      index: this.#index,
      text: this.#text,
      tokens: this.#written,
      finish: this.#finish as 'stop' | 'length',
      usage: this.#usage as Usage,
    };
  }

  close(): void {
    this.#lane?.close();
    this.#lane = undefined;
  }

  #end(reason: 'stop' | 'length'): void {
    this.#finish = reason;
    this.#usage = (this.#lane as Lane).usage;
    this.close();
  }
}
