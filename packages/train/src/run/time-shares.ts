import type { Trainer } from '@gateskip/backend';
import { densePlan } from '@gateskip/gate';
import { packMicroBatches } from '../data/pack-micro-batches.js';
import type { MicroBatch, TrainingSequence } from '../data/training-text.js';
import { CURVE_POINTS } from './calibrate-trained.js';
import type { TrainRequest } from './train-request.js';
import { judgingInput, type TaughtBatch } from './training-input.js';

/** What everything but the updates may take of the time, where there is a deadline. */
const SHARES = { fit: 0.25, looks: 0.2, calibration: 0.12 };
/** Tokens of the fit in a second, about, on two cores; a model twice as large is half as fast. */
const FIT_TOKENS_PER_SECOND = { tokens: 100, parameters: 106e6 };
const LEAST_FIT_TOKENS = 1024;
const CALIBRATION_TOKENS = 4096;
const LEAST_CALIBRATION_ROWS = 128;

/** How a run with a deadline shares out its time; without one everything is as large as the recipe says. */
export function timeShares({ recipe, deadlineMs, model: { config } }: TrainRequest, startedMs: number) {
  const allMs = deadlineMs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, deadlineMs - startedMs);
  const looks = 1 + (recipe.skip.rule === 'static' ? 1 : recipe.heldOut.budgets.filter((budget) => budget > 0).length);
  const tokensPerMs = (lookMs: number, judged: readonly TaughtBatch[]) =>
    (looks * count(judged.map(({ batch }) => batch))) / Math.max(1, lookMs);
  return {
    fitTokens: fitTokens(),

    /** Tokens of a look at the curve, by the speed of one micro-batch. */
    async heldOutTokens(trainer: Trainer, taught: TaughtBatch): Promise<number> {
      if (deadlineMs === undefined) return recipe.heldOut.tokens;
      const before = performance.now();
      await trainer.evaluate(judgingInput(taught, densePlan(2 * config.layers), false));
      const perToken = (performance.now() - before) / taught.batch.tokens.length;
      // A first and a last one.
      return Math.floor((SHARES.looks * allMs) / (2 * looks * perToken));
    },

    /** Text of the calibration. */
    calibration(lookMs: number, judged: readonly TaughtBatch[], heldOut: readonly TrainingSequence[]): readonly MicroBatch[] {
      const affordable = (SHARES.calibration * allMs * tokensPerMs(lookMs, judged)) / CURVE_POINTS;
      const tokens = Math.min(CALIBRATION_TOKENS, Math.max(LEAST_CALIBRATION_ROWS, Math.floor(affordable)));
      const rows = Math.min(recipe.batch.rows, tokens);
      const chosen: MicroBatch[] = [];
      for (const batch of packMicroBatches(heldOut, { rows, seed: recipe.seed, epoch: 0 })) {
        if (chosen.length > 0 && count(chosen) + batch.tokens.length > tokens) break;
        chosen.push(batch);
      }
      return chosen;
    },

    /** When the updates must end, so that the last look and the calibration end in time. */
    trainUntil(lookMs: number, judged: readonly TaughtBatch[], calibration: readonly MicroBatch[]): number | undefined {
      if (deadlineMs === undefined) return undefined;
      return deadlineMs - 1.1 * (lookMs + (CURVE_POINTS * count(calibration)) / tokensPerMs(lookMs, judged));
    },
  };

  function fitTokens(): number {
    if (recipe.gates.start !== 'fit') return 0;
    if (deadlineMs === undefined) return recipe.gates.tokens;
    const { layers, hiddenSize, heads, headSize, kvHeads, intermediateSize } = config;
    const parameters = layers * hiddenSize * (2 * headSize * (heads + kvHeads) + 3 * intermediateSize);
    const perSecond = FIT_TOKENS_PER_SECOND.tokens * Math.min(1, FIT_TOKENS_PER_SECOND.parameters / parameters);
    return Math.round(Math.min(recipe.gates.tokens, Math.max(LEAST_FIT_TOKENS, hiddenSize + 64, (SHARES.fit * allMs * perSecond) / 1000)));
  }
}

const count = (batches: readonly MicroBatch[]): number => batches.reduce((sum, { tokens }) => sum + tokens.length, 0);
