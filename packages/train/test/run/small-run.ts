import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { referenceBackend } from '@gateskip/backend-reference';
import { createRandomModel } from '@gateskip/model';
import { afterAll } from 'vitest';
import { runnerTeacher } from '../../src/data/runner-teacher.js';
import type { TrainingText } from '../../src/data/training-text.js';
import { builtInRecipe, type RecipeName, type TrainingRecipe, type TrainRequest } from '../../src/index.js';
import { randomSequences } from '../fit-request.js';

/** A model of four small layers: large enough to have layers that may skip, small enough for float64 in TypeScript. */
export const model = createRandomModel({
  seed: 5,
  config: { layers: 4, hiddenSize: 16, heads: 2, kvHeads: 1, headSize: 8, intermediateSize: 24, vocabularySize: 48 },
});

export function smallText(seed = 1): TrainingText {
  const all = randomSequences(16, 40, model.config.vocabularySize, seed).map((tokens) => ({
    tokens,
    rowWeights: Float32Array.from(tokens, (_, row) => (row < 2 || row === tokens.length - 1 ? 0 : 1)),
  }));
  return {
    train: all.slice(0, 12),
    heldOut: all.slice(12),
    description: 'random tokens',
    license: 'CC0-1.0',
    fingerprint: `small-${seed}`,
  };
}

/** The dense model's own predictions, whole. */
const teacher = runnerTeacher({ model, backend: referenceBackend, count: model.config.vocabularySize });
afterAll(() => teacher.close());

/** A recipe that comes along, made small. */
export function smallRecipe(name: RecipeName, change: Partial<TrainingRecipe> = {}): TrainingRecipe {
  const recipe = builtInRecipe(name);
  return {
    ...recipe,
    ...(recipe.gates.start !== 'random' && { gates: { ...recipe.gates, tokens: 512 } }),
    ...(recipe.lora && { lora: { rank: 2, alpha: 4, matrices: ['query', 'value', 'mlpDown'] } }),
    batch: { rows: 80, accumulate: 1 },
    tokens: 80 * 20,
    heldOut: { ...recipe.heldOut, tokens: 160, everyTokens: 80 * 8 },
    checkpointSeconds: 1e4,
    ...change,
  };
}

export function smallRequest(recipe: TrainingRecipe, more: Partial<TrainRequest> = {}): TrainRequest {
  return {
    model,
    backend: referenceBackend,
    recipe,
    text: smallText(),
    teacher,
    name: 'small',
    provenance: { method: 'train', command: 'test', data: 'random tokens', license: 'CC0-1.0', created: '2026-01-01', version: '0.1.0' },
    ...more,
  };
}

/** A folder for one test file, removed after it. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gateskip-train-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
