import { referenceBackend as backend } from '@gateskip/backend-reference';
import { createRandomModel } from '@gateskip/model';
import { builtInRecipe, runnerTeacher, splitHeldOut, trainAdapter } from '@gateskip/train';

const model = createRandomModel({
  seed: 1,
  config: { layers: 4, hiddenSize: 16, heads: 2, kvHeads: 1, headSize: 8, intermediateSize: 24 },
});
const sequence = (i) => ({
  tokens: Int32Array.from({ length: 48 }, (_, j) => (i * i + 7 * j) % 128),
  rowWeights: new Float32Array(48).fill(1),
});
const halves = splitHeldOut(
  Array.from({ length: 24 }, (_, i) => sequence(i)),
  { share: 0.2, seed: 1 },
);
const text = { ...halves, description: 'made up', license: 'CC0-1.0', fingerprint: 'example' }; // or readTrainingText, generateTrainingText
const recipe = { ...builtInRecipe('minutes'), gates: { start: 'fit', tokens: 512 }, batch: { rows: 96, accumulate: 1 }, tokens: 2000 };
const provenance = {
  method: 'train',
  command: '-',
  data: text.description,
  license: text.license,
  created: '2026-01-01',
  version: '0.1.0',
};
console.log(
  (await trainAdapter({ model, backend, recipe, text, teacher: runnerTeacher({ model, backend }), name: 'example', provenance })).report
    .trained,
);
