import type { Journal } from './journal.js';
import { type EvaluationProgress, WorkClock } from './work-clock.js';

/** Gathers results: those that the journal holds, and those that are made now, which it then holds too. */
export class Collector {
  readonly #journal: Journal | undefined;
  readonly #onProgress: ((progress: EvaluationProgress) => void) | undefined;
  readonly #found: Map<string, unknown>;
  readonly #work = new Map<string, number>();
  readonly #clock = new WorkClock();

  constructor(journal: Journal | undefined, onProgress: ((progress: EvaluationProgress) => void) | undefined) {
    this.#journal = journal;
    this.#onProgress = onProgress;
    this.#found = new Map((journal?.entries ?? []).map(({ run, part, id, value }) => [keyOf(run, part, id), value]));
  }

  /** Says beforehand how much something is, for the time left. */
  plan(run: string, part: string, id: string, work: number): void {
    const key = keyOf(run, part, id);
    if (this.#found.has(key)) return;
    this.#work.set(key, work);
    this.#clock.plan(work);
  }

  report(run: string, part: string, done: number, total: number): void {
    this.#onProgress?.({ run, part: part.replace(/^task:/, ''), done, total, msLeft: this.#clock.msLeft });
  }

  /** @returns one result per id, in that order */
  async collect<T extends { readonly id: string }>(
    run: string,
    part: string,
    ids: readonly string[],
    make: (isDone: (id: string) => boolean) => AsyncGenerator<T>,
  ): Promise<T[]> {
    const before = new Set(ids.filter((id) => this.#found.has(keyOf(run, part, id))));
    let done = before.size;
    this.report(run, part, done, ids.length);
    const fresh = new Map<string, T>();
    for await (const value of make((id) => before.has(id))) {
      fresh.set(value.id, value);
      this.#journal?.append({ run, part, id: value.id, value });
      this.#clock.finish(this.#work.get(keyOf(run, part, value.id)) ?? 0);
      this.report(run, part, ++done, ids.length);
    }
    return ids.map((id) => (fresh.get(id) ?? this.#found.get(keyOf(run, part, id))) as T);
  }

  /** Something that is made in one piece. */
  async once<T>(part: string, make: () => Promise<T>): Promise<T> {
    const key = keyOf('', part, '');
    if (this.#found.has(key)) return this.#found.get(key) as T;
    const value = await make();
    this.#journal?.append({ run: '', part, id: '', value });
    return value;
  }
}

const keyOf = (run: string, part: string, id: string): string => JSON.stringify([run, part, id]);
