import type { Runner, SequenceId, StepResult } from '@gateskip/backend';
import { isGateskipError } from '@gateskip/errors';
import { type Batch, BatchBuilder } from './batch-builder.js';
import { Breather } from './breather.js';
import { StepFailedError } from './errors.js';
import type { GenerationStream } from './generation-stream.js';
import { HandOut } from './hand-out.js';
import type { SequenceState } from './sequence-state.js';
import type { TokenTexts } from './text/token-texts.js';

/** Errors after which no step can succeed: retrying each request alone would only repeat them. */
const fatalCodes: ReadonlySet<string> = new Set(['GS_CLOSED', 'GS_BACKEND_UNAVAILABLE']);

/**
 * The batcher: while there are requests, builds a step from all of them, runs it, hands the results out. Only this loop
 * opens and closes sequences, and only between steps.
 */
export class EngineLoop {
  private readonly waiting: SequenceState[] = [];
  private running: SequenceState[] = [];
  /** Requests of a step that failed, to be run one by one: only those at fault shall fail. */
  private suspects: SequenceState[] = [];
  private readonly builder: BatchBuilder;
  private readonly results: HandOut;
  /** None where the event loop turns during every step anyway. */
  private readonly breather: Breather | undefined;
  /** Most sequences at once; below maxSequences after memory ran out, then up again by one for as many that finished. */
  private sequenceLimit: number;
  private finishedSinceCut = 0;
  private arrivals = 0;
  /** The step that runs now. */
  private inFlight: Batch | undefined;
  /** Cancels the step in flight; a new one is made only after it was used. */
  private canceller = new AbortController();
  /** Sequences that could not be closed because someone else was using the runner. */
  private unclosed: SequenceId[] = [];
  private active: Promise<void> | undefined;

  constructor(
    private readonly runner: Runner,
    texts: TokenTexts,
    maxRows: number,
    private readonly maxSequences: number,
  ) {
    this.builder = new BatchBuilder(maxRows);
    this.results = new HandOut(runner, texts);
    this.breather = runner.capabilities.offThread ? undefined : new Breather();
    this.sequenceLimit = maxSequences;
  }

  get load(): { running: number; waiting: number } {
    return { running: this.running.length, waiting: this.waiting.length };
  }

  enqueue(sequence: SequenceState): void {
    sequence.order = this.arrivals++;
    this.waiting.push(sequence);
    this.active ??= this.start();
  }

  /**
   * A request was aborted. One that waits leaves now; one that runs is closed after the current step, which is cancelled
   * if nobody is left to want it.
   */
  noteAbort(stream: GenerationStream): void {
    const index = this.waiting.findIndex((sequence) => sequence.stream === stream);
    if (index >= 0) this.waiting.splice(index, 1);
    if (this.inFlight?.entries.every((entry) => entry.sequence.stream.settled)) this.canceller.abort();
  }

  /** Undefined where nothing runs or waits; resolves when that is so again. */
  get activity(): Promise<void> | undefined {
    return this.active;
  }

  /** Ends every request with an abort and waits for the loop. */
  async drain(): Promise<void> {
    for (const sequence of [...this.waiting, ...this.running]) sequence.stream.abort();
    await this.active;
  }

  private async start(): Promise<void> {
    // Requests made in the same turn of the event loop share the first step.
    await Promise.resolve();
    try {
      while (this.waiting.length > 0 || this.running.length > 0) {
        if (this.unclosed.length > 0) this.closeUnclosed();
        this.closeSettled();
        this.admit();
        if (this.running.length > 0) await this.runStep();
        const pause = this.breather?.pause();
        if (pause) await pause;
      }
    } catch (error) {
      // A defect of ours: nobody may be left waiting for it.
      for (const sequence of [...this.waiting.splice(0), ...this.running]) sequence.stream.fail(error);
      this.closeSettled();
    } finally {
      this.active = undefined;
    }
  }

  private async runStep(): Promise<void> {
    const suspect = this.suspects.shift();
    const chosen = suspect ? [suspect] : this.running;
    let batch: Batch;
    try {
      batch = this.builder.build(chosen);
    } catch (error) {
      this.onFailure(chosen, error);
      return;
    }
    for (const { sequence } of batch.entries) sequence.startedMs ??= performance.now();
    if (this.canceller.signal.aborted) this.canceller = new AbortController();
    this.inFlight = batch;
    this.breather?.order();
    let result: StepResult;
    try {
      result = await this.runner.step(batch.input, batch.plans, this.canceller.signal);
    } catch (error) {
      this.onFailure(
        batch.entries.map((entry) => entry.sequence),
        isGateskipError(error) ? error : new StepFailedError(this.runner.backend, error),
      );
      return;
    } finally {
      this.inFlight = undefined;
    }
    for (const entry of batch.entries) {
      if (entry.sequence.stream.settled) continue;
      try {
        this.results.handOut(batch, entry, result);
      } catch (error) {
        entry.sequence.stream.fail(error);
      }
    }
    this.closeSettled();
  }

  /** Moves requests from the queue into the batch, in order of arrival. */
  private admit(): void {
    while (this.waiting.length > 0 && this.running.length < this.sequenceLimit) {
      const sequence = this.waiting.shift() as SequenceState;
      if (sequence.stream.settled) continue;
      try {
        sequence.id = this.runner.openSequence();
        this.running.push(sequence);
      } catch (error) {
        const canWait = isGateskipError(error) && error.code === 'GS_INSUFFICIENT_MEMORY' && this.running.length > 0;
        if (!canWait) {
          sequence.stream.fail(error);
          continue;
        }
        this.waiting.unshift(sequence);
        this.cutLimit();
      }
    }
  }

  /** The backend left every sequence as it was (contract), so whoever is not at fault can go on. */
  private onFailure(sequences: readonly SequenceState[], error: unknown): void {
    const code = isGateskipError(error) ? error.code : '';
    if (code === 'GS_INSUFFICIENT_MEMORY' && this.running.length > 1) {
      this.deferNewest();
    } else if (sequences.length > 1 && !fatalCodes.has(code)) {
      this.suspects = sequences.filter((sequence) => !sequence.stream.settled);
    } else {
      for (const sequence of sequences) sequence.stream.fail(error);
    }
    this.closeSettled();
  }

  /** Frees the youngest request's K/V rows; it waits and runs again from its start when there is room. */
  private deferNewest(): void {
    const newest = this.running.reduce((a, b) => (b.order > a.order ? b : a));
    this.running = this.running.filter((sequence) => sequence !== newest);
    this.suspects = this.suspects.filter((sequence) => sequence !== newest);
    this.closeSequence(newest);
    newest.restart();
    const place = this.waiting.findIndex((sequence) => sequence.order > newest.order);
    this.waiting.splice(place < 0 ? this.waiting.length : place, 0, newest);
    this.cutLimit();
  }

  private cutLimit(): void {
    this.sequenceLimit = Math.max(1, this.running.length);
    this.finishedSinceCut = 0;
  }

  /** Closes the sequences of requests that ended in whatever way. */
  private closeSettled(): void {
    if (!this.running.some((sequence) => sequence.stream.settled)) return;
    for (const sequence of this.running) {
      if (!sequence.stream.settled) continue;
      this.closeSequence(sequence);
      if (++this.finishedSinceCut < this.sequenceLimit || this.sequenceLimit >= this.maxSequences) continue;
      this.sequenceLimit++;
      this.finishedSinceCut = 0;
    }
    this.running = this.running.filter((sequence) => !sequence.stream.settled);
    this.suspects = this.suspects.filter((sequence) => !sequence.stream.settled);
  }

  private closeSequence(sequence: SequenceState): void {
    if (sequence.id === undefined) return;
    this.unclosed.push(sequence.id);
    sequence.id = undefined;
    this.closeUnclosed();
  }

  private closeUnclosed(): void {
    this.unclosed = this.unclosed.filter((id) => {
      try {
        this.runner.closeSequence(id);
        return false;
      } catch (error) {
        // Busy: again before the next step. Anything else comes from a runner that is closed or lost, and its rows with it.
        return isGateskipError(error) && error.code === 'GS_BUSY';
      }
    });
  }
}
