/** What is being done, and how long the rest may take. */
export interface EvaluationProgress {
  readonly run: string;
  /** A task's name, `perplexity`, `agreement` or `speed`. */
  readonly part: string;
  readonly done: number;
  readonly total: number;
  /** Of everything that is still to do; undefined until something was done. */
  readonly msLeft: number | undefined;
}

/** Estimates the time left from the work done since it was made; work is counted in rows. */
export class WorkClock {
  #left = 0;
  #done = 0;
  readonly #now: () => number;
  readonly #startMs: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startMs = now();
  }

  plan(work: number): void {
    this.#left += work;
  }

  finish(work: number): void {
    this.#left = Math.max(0, this.#left - work);
    this.#done += work;
  }

  get msLeft(): number | undefined {
    return this.#done === 0 ? undefined : ((this.#now() - this.#startMs) / this.#done) * this.#left;
  }
}
