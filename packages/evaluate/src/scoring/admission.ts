import type { StepLimits } from './limits.js';

/** Work that takes room while it is under way. */
export interface Admitted {
  /** K/V rows of one layer that it may come to take. */
  readonly tokens: number;
  readonly sequences: number;
  close(): void;
}

/** Work under way, and the next piece where it waits for room. */
export class Admission<T extends Admitted> {
  /** In the order in which they came; what is done, its owner takes out. */
  readonly running: T[] = [];
  readonly #next: () => Promise<T | undefined>;
  readonly #limits: Pick<StepLimits, 'maxTokens' | 'maxSequences'>;
  #waiting: T | undefined;

  /** @param next undefined at the end, and ever after */
  constructor(limits: Pick<StepLimits, 'maxTokens' | 'maxSequences'>, next: () => Promise<T | undefined>) {
    this.#limits = limits;
    this.#next = next;
  }

  /** Lets in what there is room for, one piece always; no more once `isEnough`. */
  async fill(isEnough: (running: readonly T[]) => boolean = () => false): Promise<void> {
    const { maxTokens, maxSequences } = this.#limits;
    for (;;) {
      this.#waiting ??= await this.#next();
      const waiting = this.#waiting;
      if (waiting === undefined) return;
      const tokens = this.running.reduce((sum, work) => sum + work.tokens, waiting.tokens);
      const sequences = this.running.reduce((sum, work) => sum + work.sequences, waiting.sequences);
      if (this.running.length > 0 && (tokens > maxTokens || sequences > maxSequences)) return;
      this.running.push(waiting);
      this.#waiting = undefined;
      if (isEnough(this.running)) return;
    }
  }

  close(): void {
    for (const work of this.running) work.close();
  }
}
