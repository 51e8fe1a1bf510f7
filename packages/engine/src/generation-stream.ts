import { AbortedError, InvalidArgumentError } from '@gateskip/errors';
import type { Generation, GenerationChunk, GenerationResult } from './api.js';

type Waiter = { resolve(result: IteratorResult<GenerationChunk>): void; reject(error: unknown): void };

/**
 * The reader's end of one request. Chunks wait here until they are read: at most one per token, so `maxTokens` bounds
 * them. Settles once: with a result, an error or an abort.
 */
export class GenerationStream implements Generation {
  readonly result: Promise<GenerationResult>;
  private settleResult: { resolve(result: GenerationResult): void; reject(error: unknown): void };
  private readonly chunks: GenerationChunk[] = [];
  private readonly waiters: Waiter[] = [];
  private iterated = false;
  private isSettled = false;
  private error: { readonly value: unknown } | undefined;
  private readonly onSignal = (): void => this.abort();

  /** @param onAbort called once, when the reader gives up before the end */
  constructor(
    private readonly onAbort: (stream: GenerationStream) => void,
    private readonly signal?: AbortSignal,
  ) {
    let settle: typeof this.settleResult | undefined;
    this.result = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.settleResult = settle as unknown as typeof this.settleResult;
    // Those who only iterate see the error there; it must not count as unhandled here.
    this.result.catch(() => {});
  }

  get settled(): boolean {
    return this.isSettled;
  }

  /** Follows the request's signal; apart from the constructor because a signal may have fired already. */
  followSignal(): void {
    if (!this.signal) return;
    if (this.signal.aborted) this.abort();
    else this.signal.addEventListener('abort', this.onSignal, { once: true });
  }

  push(chunk: GenerationChunk): void {
    if (this.isSettled) return;
    const waiter = this.waiters.shift();
    if (waiter) waiter.resolve({ done: false, value: chunk });
    else this.chunks.push(chunk);
  }

  finish(result: GenerationResult): void {
    if (!this.settle()) return;
    this.settleResult.resolve(result);
    for (const waiter of this.waiters.splice(0)) waiter.resolve({ done: true, value: undefined });
  }

  fail(error: unknown): void {
    if (!this.settle()) return;
    this.error = { value: error };
    this.settleResult.reject(error);
    for (const waiter of this.waiters.splice(0)) waiter.reject(error);
  }

  abort(): void {
    if (this.isSettled) return;
    this.chunks.length = 0;
    this.fail(new AbortedError('The generation'));
    this.onAbort(this);
  }

  [Symbol.asyncIterator](): AsyncIterator<GenerationChunk> {
    if (this.iterated)
      throw new InvalidArgumentError('A generation can be iterated once.', 'Collect its chunks, or await `result`.', {
        what: 'generation',
      });
    this.iterated = true;
    return {
      next: () => this.next(),
      return: () => {
        this.abort();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  private next(): Promise<IteratorResult<GenerationChunk>> {
    const value = this.chunks.shift();
    if (value) return Promise.resolve({ done: false, value });
    if (this.error) return Promise.reject(this.error.value);
    if (this.isSettled) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  private settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.signal?.removeEventListener('abort', this.onSignal);
    return true;
  }
}
