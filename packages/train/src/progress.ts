import { AbortedError } from '@gateskip/errors';

export type FitPhase = 'text' | 'trace' | 'gates' | 'weights' | 'gradients' | 'costs' | 'stand-ins' | 'curve';

export interface FitProgress {
  readonly phase: FitPhase;
  readonly done: number;
  readonly total: number;
}

/** Phases of profiling. */
export type ProfilePhase = 'trace' | 'removal';

export interface ProfileProgress {
  readonly phase: ProfilePhase;
  readonly done: number;
  readonly total: number;
}

/** How long work may hold the event loop before it lets other things run. */
const HOLD_MS = 25;

/** Reports progress, notices aborts and keeps the event loop alive during long loops. */
export class Pacer<Phase extends string = FitPhase> {
  private last = performance.now();

  constructor(
    private readonly what: string,
    private readonly signal?: AbortSignal,
    private readonly onProgress?: (progress: { readonly phase: Phase; readonly done: number; readonly total: number }) => void,
  ) {}

  report(phase: Phase, done: number, total: number): void {
    this.check();
    this.onProgress?.({ phase, done, total });
  }

  /** @throws AbortedError */
  check(): void {
    if (this.signal?.aborted) throw new AbortedError(this.what);
  }

  /** Call often; returns at once unless the loop was held for long. */
  async breathe(): Promise<void> {
    if (performance.now() - this.last < HOLD_MS) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.last = performance.now();
    this.check();
  }
}
