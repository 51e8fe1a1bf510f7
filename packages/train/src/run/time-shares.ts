import type { Trainer } from '@gateskip/backend';
import { branchCount, densePlan } from '@gateskip/gate';
import type { TrainingSequence } from '../data/training-text.js';
import type { FitOptions } from '../fit/fit-options.js';
import { count, spread } from '../fit/windows.js';
import { CURVE_POINTS } from './calibrate-trained.js';
import type { TrainRequest } from './train-request.js';
import { judgingInput, type TaughtBatch } from './training-input.js';

/** What everything but the updates may take of the time, where there is a deadline. */
const SHARES = { fit: 0.22, looks: 0.2, calibration: 0.1 };
/** Updates that a short run should have at least; micro-batches become smaller for it. */
const WANTED_STEPS = 80;
/** A training step against an evaluation of the same rows, about. */
const STEP_PER_EVALUATION = 3;
/** Fitting gates and stand-ins against running the model, a token each, at the width of a small model. */
const GATES_PER_FORWARD = { factor: 9, hiddenSize: 576 };
/** Weighing branches against running the model, a token and branch each: logits are compared there too. */
const WEIGHING_PER_FORWARD = 3;
const LEAST = { fitTokens: 1024, weightTokens: 48, rows: 128, looked: 256, calibration: 128 };
const MOST_WEIGHT_TOKENS = 512;
/** Tokens of the fit for each on which branches are weighed. */
const FIT_PER_WEIGHT_TOKEN = 16;
const PROBE_TOKENS = 128;

/** How a run with a deadline shares out its time; without one everything is as large as the recipe says. */
export class TimeShares {
  private readonly allMs: number;
  private readonly points: number;

  constructor(
    private readonly request: TrainRequest,
    startedMs: number,
  ) {
    const { recipe, deadlineMs } = request;
    this.allMs = deadlineMs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, deadlineMs - startedMs);
    this.points = 1 + (recipe.skip.rule === 'static' ? 1 : recipe.heldOut.budgets.filter((budget) => budget > 0).length);
  }

  /** Size of the fit that training starts from, by the speed of a short dense run. */
  async fitOptions(): Promise<FitOptions> {
    const { recipe, model, deadlineMs } = this.request;
    if (recipe.gates.start === 'random') return {};
    const { tokens, standInRank } = recipe.gates;
    const importance = recipe.gates.start === 'fit' ? recipe.gates.importance : undefined;
    const rank = standInRank === undefined ? {} : { standInRank };
    if (deadlineMs === undefined)
      return {
        ...rank,
        ...(importance && { importance }),
        tokens,
        weightTokens: within(LEAST.weightTokens, tokens / FIT_PER_WEIGHT_TOKEN, MOST_WEIGHT_TOKENS),
      };
    const forwardMs = await this.#forwardMs();
    const { config } = model;
    const gatesMs = (forwardMs * GATES_PER_FORWARD.factor * GATES_PER_FORWARD.hiddenSize) / config.hiddenSize;
    const halfMs = (SHARES.fit * this.allMs) / 2;
    return {
      ...rank,
      tokens: within(Math.max(LEAST.fitTokens, config.hiddenSize + 64), halfMs / (forwardMs + gatesMs), tokens),
      weightTokens: within(LEAST.weightTokens, halfMs / (WEIGHING_PER_FORWARD * forwardMs * branchCount(config)), MOST_WEIGHT_TOKENS),
    };
  }

  async #forwardMs(): Promise<number> {
    const { backend, model, threads, signal, text } = this.request;
    const runner = await backend.load(model, { ...(threads !== undefined && { threads }), ...(signal && { signal }) });
    try {
      const tokens = (text.train[0]?.tokens ?? new Int32Array(2)).slice(0, PROBE_TOKENS);
      const sequence = runner.openSequence();
      const input = { tokens, segments: [{ sequence, start: 0, length: tokens.length, plan: 0 }], outputs: new Int32Array(0) };
      const before = performance.now();
      await runner.step(input, [densePlan(branchCount(model.config))], signal);
      return (performance.now() - before) / tokens.length;
    } finally {
      await runner.close();
    }
  }

  /** Rows of a micro-batch of a look. */
  get lookRows(): number {
    const { rows } = this.request.recipe.batch;
    return this.request.deadlineMs === undefined ? rows : Math.min(rows, LEAST.looked);
  }

  /** Tokens of a look and rows of a micro-batch, by the speed of one. */
  async sizes(trainer: Trainer, taught: TaughtBatch): Promise<{ readonly heldOutTokens: number; readonly rows: number }> {
    const { recipe, deadlineMs, model } = this.request;
    const { tokens: heldOutTokens } = recipe.heldOut;
    const { rows, accumulate } = recipe.batch;
    if (deadlineMs === undefined) return { heldOutTokens, rows };
    const before = performance.now();
    await trainer.evaluate(judgingInput(taught, densePlan(branchCount(model.config)), false));
    const perToken = (performance.now() - before) / taught.batch.tokens.length;
    const leftMs = Math.max(0, deadlineMs - performance.now());
    const updatesMs = Math.max(0, leftMs - (SHARES.looks + SHARES.calibration) * this.allMs);
    return {
      // A first and a last one.
      heldOutTokens: Math.min(heldOutTokens, Math.floor((SHARES.looks * this.allMs) / (2 * this.points * perToken))),
      rows: within(LEAST.rows, updatesMs / (WANTED_STEPS * accumulate * STEP_PER_EVALUATION * perToken), rows),
    };
  }

  /** Text of the calibration. */
  calibration(lookMs: number, judged: readonly TaughtBatch[], heldOut: readonly TrainingSequence[]): readonly Int32Array[] {
    const affordable = (SHARES.calibration * this.allMs * this.#tokensPerMs(lookMs, judged)) / CURVE_POINTS;
    // A short text of many beginnings rather than of one long piece.
    const longest = this.request.deadlineMs === undefined ? undefined : LEAST.calibration;
    const windows = heldOut.map(({ tokens }) => tokens.subarray(0, longest));
    return spread(windows, within(LEAST.calibration, affordable, this.request.recipe.heldOut.tokens));
  }

  /** When the updates must end, so that the last look and the calibration end in time. */
  trainUntil(lookMs: number, judged: readonly TaughtBatch[], calibration: readonly Int32Array[]): number | undefined {
    const { deadlineMs } = this.request;
    if (deadlineMs === undefined) return undefined;
    return deadlineMs - 1.1 * (lookMs + (CURVE_POINTS * count(calibration)) / this.#tokensPerMs(lookMs, judged));
  }

  #tokensPerMs(lookMs: number, judged: readonly TaughtBatch[]): number {
    return (this.points * count(judged.map(({ batch }) => batch.tokens))) / Math.max(1, lookMs);
  }
}

/** A whole number; the upper bound wins. */
const within = (low: number, value: number, high: number): number => Math.min(high, Math.max(low, Math.round(value)));
