import type { TrainerOptions, TrainLoss, TrainStepInput } from '@gateskip/backend';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import type { GateSet, GateSpec, Plan, Rule } from '@gateskip/gate';
import { createRandomModel, type Model, type ModelConfig } from '@gateskip/model';

/** Small enough for finite differences, with grouped heads, a part of each head rotating and an odd width. */
export const TINY: Partial<ModelConfig> = {
  layers: 2,
  hiddenSize: 10,
  heads: 4,
  kvHeads: 2,
  headSize: 4,
  ropeSize: 4,
  intermediateSize: 12,
  vocabularySize: 17,
  contextLength: 32,
};

export function tinyModel(config: Partial<ModelConfig> = {}, seed = 3): Model {
  return createRandomModel({ seed, config: { ...TINY, ...config } });
}

export function randomGates(model: Model, spec: Partial<GateSpec> = {}, seed = 5, standInRank = 0): GateSet {
  return createRandomAdapter(model, { seed, spec, standIns: true, standInRank }).gates;
}

export const LORA: NonNullable<TrainerOptions['lora']> = {
  rank: 2,
  alpha: 3,
  matrices: ['query', 'key', 'value', 'attentionOutput', 'mlpGate', 'mlpUp', 'mlpDown'],
  seed: 11,
};

export const SEGMENTS = [6, 4];
export const ROWS = 10;

export function planOf(rules: readonly Rule[], values: readonly number[], rest: Partial<Plan> = {}): Plan {
  const pinned = Uint8Array.from({ length: ROWS }, (_, row) => (row === 0 || row === SEGMENTS[0] ? 1 : 0));
  return { scorer: 'gate', rules, values: Float32Array.from(values), kv: 'project', pinned, ...rest };
}

export function tokensOf(vocabularySize: number): Int32Array {
  return Int32Array.from({ length: ROWS }, (_, row) => (row * row * 5 + row + 3) % vocabularySize);
}

export function crossEntropyLoss(vocabularySize: number): TrainLoss {
  const targets = Int32Array.from({ length: ROWS }, (_, row) => (row === 5 || row === 9 ? -1 : (row * 7 + 2) % vocabularySize));
  return { crossEntropy: { targets, weight: 1 } };
}

/** A teacher of K tokens with uneven probabilities; `tail` is what it leaves to the others. */
export function teacherLoss(vocabularySize: number, count: number, tail: number): TrainLoss {
  const tokens = new Int32Array(ROWS * count);
  const logProbabilities = new Float32Array(ROWS * count);
  for (let row = 0; row < ROWS; row++) {
    const weights = Array.from({ length: count }, (_, k) => 1 / (1 + ((k * 3 + row) % count)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let k = 0; k < count; k++) {
      tokens[row * count + k] = (row * 3 + k) % vocabularySize;
      logProbabilities[row * count + k] = Math.log(((1 - tail) * weights[k]!) / total);
    }
  }
  const rowWeights = Float32Array.from({ length: ROWS }, (_, row) => (row === 2 ? 0 : row === 7 ? 2.5 : 1));
  return { rowWeights, teacher: { count, tokens, logProbabilities, tailMass: new Float32Array(ROWS).fill(tail), weight: 1.5 } };
}

export function stepInput(model: Model, plan: Plan, loss: TrainLoss, rest: Partial<TrainStepInput> = {}): TrainStepInput {
  return { tokens: tokensOf(model.config.vocabularySize), segmentLengths: Int32Array.from(SEGMENTS), plan, loss, ...rest };
}
