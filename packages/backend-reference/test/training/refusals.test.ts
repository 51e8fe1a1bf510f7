import type { TrainerOptions, TrainStepInput } from '@gateskip/backend';
import type { Rule } from '@gateskip/gate';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../../src/index.js';
import { crossEntropyLoss, LORA, planOf, ROWS, randomGates, stepInput, teacherLoss, tinyModel } from '../support/training.js';

const model = tinyModel();
const { vocabularySize } = model.config;
const KEEP = planOf(['keep', 'keep', 'keep', 'keep'], [0, 0, 0, 0]);
const entropy = crossEntropyLoss(vocabularySize);
const teaching = teacherLoss(vocabularySize, 3, 0.25);
const teacher = teaching.teacher!;

describe('a trainer refuses', () => {
  it.each<[string, Partial<TrainerOptions>, string]>([
    ['unknown groups', { trainable: ['heads' as 'gates'] }, 'GS_INVALID_ARGUMENT'],
    ['a group twice', { trainable: ['norms', 'norms'] }, 'GS_INVALID_ARGUMENT'],
    ['gates that are not there', { trainable: ['gates'] }, 'GS_INVALID_ARGUMENT'],
    ['low-rank additions that are not there', { trainable: ['lora'] }, 'GS_INVALID_ARGUMENT'],
    ['a rank above a side of a matrix', { lora: { ...LORA, rank: 9 } }, 'GS_INVALID_ARGUMENT'],
    ['no rank', { lora: { ...LORA, rank: undefined as unknown as number } }, 'GS_INVALID_ARGUMENT'],
    ['unknown matrices', { lora: { ...LORA, matrices: ['head' as 'query'] } }, 'GS_INVALID_ARGUMENT'],
    ['an alpha of 0', { lora: { ...LORA, alpha: 0 } }, 'GS_INVALID_ARGUMENT'],
    ['too many rows', { maxRows: 1e9 }, 'GS_INVALID_ARGUMENT'],
    ['options of other backends', { extra: { isa: 'avx2' } }, 'GS_INVALID_ARGUMENT'],
    ['gates of another width', { gates: randomGates(tinyModel({ hiddenSize: 12 })) }, 'GS_SHAPE_MISMATCH'],
  ])('%s', async (_, options, code) => {
    await expect(referenceBackend.loadTrainer!(model, { trainable: [], ...options })).rejects.toMatchObject({ code });
  });

  it.each<[string, Partial<TrainStepInput>, string]>([
    ['tokens outside the vocabulary', { tokens: new Int32Array(ROWS).fill(vocabularySize) }, 'GS_INVALID_ARGUMENT'],
    ['more rows than it was made for', { tokens: new Int32Array(ROWS + 3) }, 'GS_INVALID_ARGUMENT'],
    ['segments that do not cover the rows', { segmentLengths: Int32Array.of(6, 3) }, 'GS_SHAPE_MISMATCH'],
    ['an empty segment', { segmentLengths: Int32Array.of(ROWS, 0) }, 'GS_INVALID_ARGUMENT'],
    ['positions outside the context', { positions: new Int32Array(ROWS).fill(32) }, 'GS_INVALID_ARGUMENT'],
    ['a plan for other rows', { plan: { ...KEEP, pinned: new Uint8Array(3) } }, 'GS_SHAPE_MISMATCH'],
    ['to repeat a branch', { plan: planOf(['repeat', 'keep', 'keep', 'keep'], [2, 0, 0, 0]) }, 'GS_UNSUPPORTED'],
    ['to exit', { plan: planOf(['exit' as Rule, 'keep', 'keep', 'keep'], [0, 0, 0, 0]) }, 'GS_UNSUPPORTED'],
    ['a temperature of 0', { straightThrough: { temperature: 0 } }, 'GS_INVALID_ARGUMENT'],
    ['savings of other branches', { straightThrough: { savings: new Float64Array(3) } }, 'GS_SHAPE_MISMATCH'],
    ['negative savings', { straightThrough: { savings: new Float64Array(4).fill(-1) } }, 'GS_INVALID_ARGUMENT'],
    ['no loss at all', { loss: {} }, 'GS_INVALID_ARGUMENT'],
    ['negative row weights', { loss: { ...entropy, rowWeights: new Float32Array(ROWS).fill(-1) } }, 'GS_INVALID_ARGUMENT'],
    [
      'targets outside the vocabulary',
      { loss: { crossEntropy: { targets: new Int32Array(ROWS).fill(99), weight: 1 } } },
      'GS_INVALID_ARGUMENT',
    ],
    ['a divisor of 0', { loss: { crossEntropy: { ...entropy.crossEntropy!, divisor: 0 } } }, 'GS_INVALID_ARGUMENT'],
    ['teachers of no count', { loss: { teacher: { ...teacher, count: undefined as unknown as number } } }, 'GS_INVALID_ARGUMENT'],
    ['teachers that name a token twice', { loss: { teacher: { ...teacher, tokens: new Int32Array(3 * ROWS) } } }, 'GS_INVALID_ARGUMENT'],
    ['teachers whose mass is not 1', { loss: { teacher: { ...teacher, tailMass: new Float32Array(ROWS) } } }, 'GS_INVALID_ARGUMENT'],
    ['gate losses without gates', { plan: { ...KEEP, scorer: 'none' }, loss: { gates: { kind: 'l2', weight: 1 } } }, 'GS_INVALID_ARGUMENT'],
    [
      'gate losses of dropped branches',
      { plan: planOf(['repeat', 'keep', 'keep', 'keep'], [0, 0, 0, 0]), loss: { gates: { kind: 'l2', weight: 1, branches: [0] } } },
      'GS_INVALID_ARGUMENT',
    ],
    ['logits of rows that are not there', { want: { logits: Int32Array.of(ROWS) } }, 'GS_INVALID_ARGUMENT'],
  ])('%s, and keeps its gradients', async (_, change, code) => {
    const gates = randomGates(model);
    const trainer = await referenceBackend.loadTrainer!(model, { gates, trainable: ['norms'], maxRows: ROWS + 2 });
    const sound = stepInput(model, KEEP, entropy);
    await trainer.step(sound);
    const before = trainer.parameters.map(({ gradient }) => gradient.slice());
    await expect(trainer.step({ ...sound, ...change })).rejects.toMatchObject({ code });
    expect(trainer.parameters.map(({ gradient }) => gradient)).toEqual(before);
  });

  it('does not change the gates it was given', async () => {
    const gates = randomGates(model);
    const before = structuredClone(gates);
    const trainer = await referenceBackend.loadTrainer!(model, { gates, trainable: ['gates', 'standIns'] });
    for (const { value } of trainer.parameters) value.fill(1);
    expect(gates).toEqual(before);
    expect(trainer.gates!.gates[0]!.weight.every((weight) => weight === 1)).toBe(true);
    expect(trainer.gates!.standIns![3]!.every((weight) => weight === 1)).toBe(true);
  });
});
