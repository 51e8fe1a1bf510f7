/** Steps whose mean time is looked at, about. */
const MEMORY = 8;
/** Before the first step nothing is known of its time: it counts so much of the run. */
const FIRST_SHARE = 0.01;

/**
 * How far a run is. By tokens a step counts its share of them, the same in every run; where there is a deadline too, the
 * time that is left is shared out among the steps that still fit.
 */
export class RunClock {
  #stepMs: number | undefined;

  constructor(
    private readonly tokens: number,
    private readonly deadlineMs: number | undefined,
  ) {}

  /** Share of the run that a step of so many tokens will be, given what is done. */
  share(progress: number, stepTokens: number): number {
    const byTokens = stepTokens / this.tokens;
    if (this.deadlineMs === undefined) return byTokens;
    if (this.#stepMs === undefined) return Math.max(byTokens, FIRST_SHARE);
    const steps = Math.max(1, (this.deadlineMs - performance.now()) / this.#stepMs);
    return Math.max(byTokens, (1 - progress) / steps);
  }

  /** Whether no further step would end in time. */
  get isOver(): boolean {
    return this.deadlineMs !== undefined && performance.now() + 0.7 * (this.#stepMs ?? 0) >= this.deadlineMs;
  }

  took(stepMs: number): void {
    this.#stepMs = this.#stepMs === undefined ? stepMs : this.#stepMs + (stepMs - this.#stepMs) / MEMORY;
  }

  /** Time left, of what is known. */
  leftMs(tokensLeft: number, stepTokens: number): number {
    const byTokens = (tokensLeft / stepTokens) * (this.#stepMs ?? 0);
    return this.deadlineMs === undefined ? byTokens : Math.max(0, Math.min(byTokens, this.deadlineMs - performance.now()));
  }
}
