import type { Intervals } from './intervals.js';
import type { Observation } from './policy.js';
import type { Axis } from './target.js';

export interface ControllerSettings {
  readonly axis: Axis;
  /** Asked share, on the axis. */
  readonly asked: number;
  /** What the prompt is asked. */
  readonly promptAsked: number;
  /** Lowest and highest share worth asking a plan for. */
  readonly low: number;
  readonly high: number;
  readonly branches: number;
  readonly intervals: Intervals;
  /** Share of the newest error that the bias takes over, per 4 tokens; 0 where the thresholds adapt by themselves. */
  readonly biasGain: number;
}

/** Unpinned prompt tokens at which the prompt's own error counts half. */
const PROMPT_HALF_TRUST = 16;
/** A deficit is paid back over one interval, or over this part of the answer so far where that is longer. */
const PAYBACK_PART = 1 / 32;
/** Anti-windup: what cannot be paid back (a text that will not skip) is forgiven beyond so many tokens. */
const MOST_DEFICIT_TOKENS = 16;

/**
 * Holds a share over one sequence's decoding. For every interval it asks for
 *
 * `u = asked + bias + deficit / horizon`, clamped to what plans can do,
 *
 * bias: how much more than it got it had to ask for lately (the calibration's error on this text); deficit: asked minus
 * held, summed over decoded tokens. It sees whole intervals only, as sums of integers: how an interval was cut into steps
 * does not matter.
 */
export class BudgetController {
  readonly #settings: ControllerSettings;
  #step = 0;
  #bias = 0;
  #deficitTokens = 0;
  #used: number;
  #rows = 0;
  #held = 0;
  #weight = 0;

  constructor(settings: ControllerSettings) {
    this.#settings = settings;
    this.#used = settings.asked;
  }

  /** What to ask of the plans until the next change. */
  get used(): number {
    return this.#used;
  }

  /** Adds a step; the sums are used at {@link endPrompt} or {@link endInterval}. */
  add(observation: Observation): void {
    const { axis, branches } = this.#settings;
    this.#rows += observation.rows;
    if (axis === 'saved') {
      this.#weight += observation.denseMacs;
      this.#held += observation.denseMacs - observation.macs;
      return;
    }
    let kept = 0;
    for (let branch = 0; branch < branches; branch++) kept += observation.kept[branch]!;
    this.#weight += branches * observation.rows;
    this.#held += branches * observation.rows - kept;
  }

  /** The prompt is over: what it held of what was asked is the first estimate of the calibration's error. */
  endPrompt(pinnedRows: number): void {
    const { promptAsked, biasGain } = this.#settings;
    const free = this.#rows - pinnedRows;
    if (free > 0 && this.#weight > 0 && biasGain > 0) {
      const held = (this.#held / this.#weight) * (this.#rows / free);
      this.#bias = ((promptAsked - held) * free) / (free + PROMPT_HALF_TRUST);
    }
    this.#start();
  }

  endInterval(): void {
    const { asked, biasGain } = this.#settings;
    const held = this.#weight > 0 ? this.#held / this.#weight : asked;
    const gain = 1 - (1 - biasGain) ** (this.#rows / 4);
    this.#bias += gain * (this.#used - held - this.#bias);
    this.#deficitTokens = clamp(this.#deficitTokens + (asked - held) * this.#rows, -MOST_DEFICIT_TOKENS, MOST_DEFICIT_TOKENS);
    this.#step += this.#rows;
    this.#start();
  }

  clone(): BudgetController {
    const copy = new BudgetController(this.#settings);
    copy.#step = this.#step;
    copy.#bias = this.#bias;
    copy.#deficitTokens = this.#deficitTokens;
    copy.#used = this.#used;
    copy.#rows = this.#rows;
    copy.#held = this.#held;
    copy.#weight = this.#weight;
    return copy;
  }

  #start(): void {
    const { asked, low, high, intervals } = this.#settings;
    const horizon = Math.max(intervals.remaining(this.#step), this.#step * PAYBACK_PART);
    this.#used = clamp(asked + this.#bias + this.#deficitTokens / horizon, low, high);
    this.#rows = 0;
    this.#held = 0;
    this.#weight = 0;
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
