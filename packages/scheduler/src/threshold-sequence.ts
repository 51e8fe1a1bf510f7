import { ShapeMismatchError } from '@gateskip/errors';
import type { Plan } from '@gateskip/gate';
import type { BudgetController } from './controller.js';
import { SequenceOrderError } from './errors.js';
import { ANY_SPAN } from './fixed-policy.js';
import type { Intervals } from './intervals.js';
import type { Observation, SequencePolicy } from './policy.js';
import { checkObservation, checkRows, pinnedRows } from './sequence-checks.js';

/** Turns what the controller asks for into one threshold per branch. */
export interface ThresholdSource {
  readonly wantsScores: boolean;
  /** Thresholds for an effective share: [2L]; a new array. */
  thresholds(used: number): Float32Array;
  /** One token's scores: [2L] at stride `rows` from `scores[offset]`. */
  learn(scores: Float32Array, offset: number, rows: number): void;
  clone(): ThresholdSource;
}

/** What does not change while a sequence lives. */
export interface ThresholdSequenceSettings {
  /** A plan with these thresholds: [2L]. */
  planOf(thresholds: Float32Array): Plan;
  /** Where nothing is to skip. */
  readonly full: Plan;
  /** Of the prompt's rows. */
  readonly promptPlan: Plan;
  readonly branches: number;
  readonly pinnedTokens: number;
  readonly promptTokens: number;
  readonly intervals: Intervals;
}

/**
 * One sequence under thresholds: still within the prompt, then changed at fixed positions from the sequence's own past.
 */
export class ThresholdSequence implements SequencePolicy {
  readonly #settings: ThresholdSequenceSettings;
  readonly #controller: BudgetController | undefined;
  readonly #source: ThresholdSource;
  #next = 0;
  /** Without pinned rows; the same object until the thresholds change. Nobody writes it after it was made. */
  #plan: Plan;

  /** @param controller absent: nothing skips after the prompt */
  constructor(settings: ThresholdSequenceSettings, controller: BudgetController | undefined, source: ThresholdSource) {
    this.#settings = settings;
    this.#controller = controller;
    this.#source = source;
    this.#plan = settings.promptTokens > 0 ? settings.promptPlan : this.#makePlan();
  }

  get wantsScores(): boolean {
    return this.#source.wantsScores;
  }

  spanAt(position: number): number {
    checkRows('Span', position, 1, 1);
    const { promptTokens, intervals } = this.#settings;
    if (position < promptTokens) return promptTokens - position;
    return this.#controller === undefined ? ANY_SPAN : intervals.remaining(position - promptTokens);
  }

  plan(position: number, rows: number): Plan {
    checkRows('Plan', position, rows, this.spanAt(position));
    const end = this.#next + this.spanAt(this.#next);
    if (position < this.#next || position >= end)
      throw new SequenceOrderError('Plan', `a position in ${this.#next}..${end - 1}`, `${position}`);
    const pinned = pinnedRows(position, rows, this.#settings.pinnedTokens);
    return pinned === undefined ? this.#plan : { ...this.#plan, pinned };
  }

  observe(observation: Observation): void {
    const { branches, promptTokens, pinnedTokens } = this.#settings;
    const { rows, scores } = observation;
    const span = this.spanAt(this.#next);
    checkObservation(observation, this.#next, span, branches);
    if (this.wantsScores) {
      if (scores?.length !== branches * rows)
        throw new ShapeMismatchError('Scores of the observation', [branches, rows], scores && [scores.length]);
      for (let row = 0; row < rows; row++) if (this.#next + row >= pinnedTokens) this.#source.learn(scores, row, rows);
    }
    this.#controller?.add(observation);
    this.#next += rows;
    if (rows < span) return;
    if (this.#next === promptTokens) this.#controller?.endPrompt(Math.min(pinnedTokens, promptTokens));
    else this.#controller?.endInterval();
    this.#plan = this.#makePlan();
  }

  fork(): SequencePolicy {
    const copy = new ThresholdSequence(this.#settings, this.#controller?.clone(), this.#source.clone());
    copy.#next = this.#next;
    copy.#plan = this.#plan;
    return copy;
  }

  #makePlan(): Plan {
    const { planOf, full } = this.#settings;
    return this.#controller === undefined ? full : planOf(this.#source.thresholds(this.#controller.used));
  }
}
