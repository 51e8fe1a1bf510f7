import type { StepInput, StepResult } from '@gateskip/backend';
import { branchCount, type Plan } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import type { NativeStepExtras } from './addon.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A result whose arrays the addon fills: the small ones lie one behind the other in one piece of memory. */
export interface StepArrays {
  readonly result: StepResult;
  /**
   * macs and dense MACs [plans] (float64); kept [plans, 2L] (uint32); top tokens (int32) and logits (float32) [outputs, count],
   * log-sum-exp [outputs]; picked logits [picks]; scores [2L, rows] (float32); kept rows [2L, rows] (bytes). What was not asked for takes no room.
   */
  readonly memory: ArrayBuffer;
  /** What few steps have; undefined where there is none of it. */
  readonly extras: NativeStepExtras | undefined;
}

/** Fresh arrays for a step's results: they are the caller's for good. @param topCount 0: all logits */
export function stepArrays(input: StepInput, plans: readonly Plan[], topCount: number, config: ModelConfig): StepArrays {
  const { want, picks } = input;
  const rows = input.tokens.length;
  const outputs = input.outputs.length;
  const branches = branchCount(config);
  const planCount = plans.length;
  const ranked = topCount * outputs;
  const scoreCount = want?.scores ? branches * rows : 0;
  const keptCount = want?.keptRows ? branches * rows : 0;
  const keptAt = 16 * planCount;
  const topAt = keptAt + 4 * planCount * branches;
  const pickedAt = topAt + (topCount > 0 ? 8 * ranked + 4 * outputs : 0);
  const pickCount = picks?.tokens.length ?? 0;
  const scoresAt = pickedAt + 4 * pickCount;
  const keptRowsAt = scoresAt + 4 * scoreCount;
  const memory = new ArrayBuffer(keptRowsAt + keptCount);
  const result: Mutable<StepResult> = {
    kept: new Uint32Array(memory, keptAt, planCount * branches),
    macs: new Float64Array(memory, 0, planCount),
    denseMacs: new Float64Array(memory, 8 * planCount, planCount),
  };
  if (topCount > 0)
    result.top = {
      count: topCount,
      tokens: new Int32Array(memory, topAt, ranked),
      logits: new Float32Array(memory, topAt + 4 * ranked, ranked),
      logSumExp: new Float32Array(memory, topAt + 8 * ranked, outputs),
    };
  if (picks) result.picked = new Float32Array(memory, pickedAt, pickCount);
  if (want?.scores) result.scores = new Float32Array(memory, scoresAt, scoreCount);
  if (want?.keptRows) result.keptRows = new Uint8Array(memory, keptRowsAt, keptCount);
  return { result, memory, extras: extrasOf(input, plans, topCount, config, result) };
}

/** What is large has memory of its own, so that whoever keeps the rest of a result does not keep it too. */
function extrasOf(
  input: StepInput,
  plans: readonly Plan[],
  topCount: number,
  config: ModelConfig,
  result: Mutable<StepResult>,
): NativeStepExtras | undefined {
  let isNeeded = false;
  const extras: Mutable<NativeStepExtras> = {};
  if (topCount === 0) {
    extras.logits = result.logits = new Float32Array(input.outputs.length * config.vocabularySize);
    isNeeded = true;
  }
  if (input.want?.hidden) {
    const numbers = branchCount(config) * input.tokens.length;
    const inputs = new Float32Array(numbers * config.hiddenSize);
    const outputs = new Float32Array(numbers * config.hiddenSize);
    const streamSquaredNorms = new Float32Array(numbers);
    result.hidden = { inputs, outputs, streamSquaredNorms };
    extras.hiddenInputs = inputs;
    extras.hiddenOutputs = outputs;
    extras.streamNorms = streamSquaredNorms;
    isNeeded = true;
  }
  for (let index = 0; index < plans.length; index++) {
    const { pinned, scorer, scores } = plans[index]!;
    const given = scorer === 'given' ? scores : undefined;
    if (pinned === undefined && given === undefined) continue;
    (extras.pinned ??= [])[index] = pinned;
    (extras.scores ??= [])[index] = given;
    isNeeded = true;
  }
  return isNeeded ? extras : undefined;
}
