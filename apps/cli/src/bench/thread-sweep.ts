import type { Backend, Runner } from '@gateskip/backend';
import type { Model } from '@gateskip/model';
import { densePlanOf } from '@gateskip/scheduler';
import type { Output } from '../output/output.js';
import type { ThreadsRow } from './bench-report.js';
import { timeBatchDecode } from './decode-batch.js';
import { ratioSpread, spreadOf } from './spread.js';

/** The backend at one thread count, and its speeds round by round. */
interface Lane {
  readonly threads: number;
  readonly runner: Runner;
  readonly decode: number[];
  readonly prefill: number[];
}

/** The same model on the same backend at several thread counts at once, so that they can take turns. */
export class ThreadSweep {
  private constructor(private readonly lanes: readonly Lane[]) {}

  /** Loads the model once per count; counts between the ends that the memory has no room for are left out, and that is said. */
  static async open(backend: Backend, model: Model, counts: readonly number[], maxTokens: number, output: Output): Promise<ThreadSweep> {
    const room = Math.max(1, Math.floor(process.availableMemory() / 2 / (1.25 * model.sizeBytes)));
    const kept = counts.length <= room ? counts : spreadOut(counts, room);
    const left = counts.filter((count) => !kept.includes(count));
    if (left.length > 0) output.warn(`memory has no room for the model at ${left.join(', ')} threads as well; they are not measured`);
    const lanes: Lane[] = [];
    const sweep = new ThreadSweep(lanes);
    try {
      for (const threads of kept) {
        output.progress.report(`Loading the weights for ${threads} threads`);
        const runner = await backend.load(model, { threads, maxTokens, signal: output.signal });
        lanes.push({ threads, runner, decode: [], prefill: [] });
      }
      return sweep;
    } catch (error) {
      await sweep.close();
      throw error;
    }
  }

  /** One measurement of each, in order or against it. */
  async round(short: Int32Array, prompt: Int32Array, tokens: number, swapped: boolean, signal: AbortSignal): Promise<void> {
    const order = swapped ? [...this.lanes].reverse() : this.lanes;
    for (const { runner, decode } of order) decode.push(await timeBatchDecode(runner, short, 1, tokens, signal));
    for (const { runner, prefill } of order) prefill.push(await timePrompt(runner, prompt, signal));
  }

  rows(): ThreadsRow[] {
    const one = this.lanes.find(({ threads }) => threads === 1);
    return this.lanes.map(({ threads, decode, prefill }) => ({
      threads,
      decode: spreadOf(decode),
      prefill512: spreadOf(prefill),
      overOne: one ? { decode: ratioSpread(decode, one.decode), prefill512: ratioSpread(prefill, one.prefill) } : null,
    }));
  }

  async close(): Promise<void> {
    for (const { runner } of this.lanes) await runner.close();
  }
}

/** `most` of the values at even distances, the last among them, and the first where more than one is wanted. */
export function spreadOut(values: readonly number[], most: number): number[] {
  if (most === 1) return values.slice(-1);
  const count = Math.min(most, values.length);
  return Array.from({ length: count }, (_, i) => values[Math.round((i * (values.length - 1)) / Math.max(1, count - 1))] as number);
}

/** Prompt tokens per second, the next token known. */
async function timePrompt(runner: Runner, prompt: Int32Array, signal: AbortSignal): Promise<number> {
  const sequence = runner.openSequence();
  try {
    const segments = [{ sequence, start: 0, length: prompt.length, plan: 0 }];
    const startedMs = performance.now();
    await runner.step(
      { tokens: prompt, segments, outputs: Int32Array.of(prompt.length - 1), topLogits: 1 },
      [densePlanOf(runner.config, runner.adapter?.calibration)],
      signal,
    );
    return prompt.length / ((performance.now() - startedMs) / 1000);
  } finally {
    runner.closeSequence(sequence);
  }
}
