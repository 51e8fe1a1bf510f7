import { setImmediate } from 'node:timers/promises';
import { AbortedError } from '@gateskip/errors';

/** Longest stretch of work between two turns of the event loop, as far as one row of one branch allows. */
const SLICE_MS = 8;

/** Keeps long computations from blocking the event loop, and notices when they are no longer wanted. */
export class Pacer {
  readonly #signal: AbortSignal | undefined;
  #sliceStart = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.check();
  }

  check(): void {
    if (this.#signal?.aborted) throw new AbortedError('The step');
  }

  get isDue(): boolean {
    return performance.now() - this.#sliceStart > SLICE_MS;
  }

  /** @throws AbortedError */
  async pause(): Promise<void> {
    await setImmediate();
    this.check();
    this.#sliceStart = performance.now();
  }
}
