import type { ParameterGroup, TrainerOptions, TrainLoss, TrainStepInput } from '@gateskip/backend';
import type { GateSpec, GateVariant, KvMode, Plan, Rule } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../../src/index.js';
import { expectDirectionalDerivative, seededUniform } from '../support/directional-derivative.js';
import { crossEntropyLoss, LORA, planOf, randomGates, stepInput, teacherLoss, tinyModel } from '../support/training.js';

const ALL: readonly ParameterGroup[] = ['gates', 'standIns', 'lora', 'norms', 'backbone'];
const KEEP: readonly Rule[] = ['keep', 'keep', 'keep', 'keep'];
const THRESHOLD: readonly Rule[] = ['threshold', 'threshold', 'threshold', 'threshold'];

interface Case {
  readonly config?: Partial<ModelConfig>;
  readonly spec?: Partial<GateSpec>;
  readonly trainable?: readonly ParameterGroup[];
  readonly plan: Plan;
  readonly loss?: (vocabularySize: number) => TrainLoss;
  readonly step?: Partial<TrainStepInput>;
  readonly detachGateInput?: boolean;
  /** Of the maps that stand-ins have; default none. */
  readonly standInRank?: number;
}

/** Every parameter of the groups against differences of the loss, after a start that leaves no gradient at zero by chance. */
async function check(what: Case): Promise<number> {
  const model = tinyModel(what.config);
  const options: TrainerOptions = {
    gates: randomGates(model, what.spec, 5, what.standInRank),
    lora: LORA,
    trainable: what.trainable ?? ALL,
    detachGateInput: what.detachGateInput ?? false,
  };
  const trainer = await referenceBackend.loadTrainer!(model, options);
  const random = seededUniform(9);
  // `up` starts at zero, where `down` has no gradient.
  for (const { name, value } of trainer.parameters)
    if (name.endsWith('loraUp')) for (let i = 0; i < value.length; i++) value[i] = 0.4 * random() - 0.2;
  const input = stepInput(model, what.plan, (what.loss ?? crossEntropyLoss)(model.config.vocabularySize), what.step);
  const { skipShare } = await trainer.step(input);
  for (const parameter of trainer.parameters) await expectDirectionalDerivative(trainer, input, parameter, random);
  for (const group of options.trainable) {
    const moves = trainer.parameters.some((parameter) => parameter.group === group && parameter.gradient.some((slope) => slope !== 0));
    expect(moves, group).toBe(hasEffect(group, what, skipShare));
  }
  await trainer.close();
  return skipShare;
}

/** Gates that only score have no smooth effect; stand-ins have none where nothing skips. */
function hasEffect(group: ParameterGroup, what: Case, skipShare: number): boolean {
  if (group === 'standIns') return skipShare > 0;
  return group !== 'gates' || what.spec?.multiplies === true;
}

describe('gradients are those of finite differences', () => {
  it.each<[string, Partial<ModelConfig>]>([
    ['interleaved rotation, own head', {}],
    ['half rotation over part of each head, tied head', { ropeLayout: 'half', ropeSize: 2, tiedEmbeddings: true }],
    ['one K/V head per head', { kvHeads: 4, ropeLayout: 'half' }],
  ])('dense: %s', async (_, config) => {
    await check({ config, trainable: ['lora', 'norms', 'backbone'], plan: planOf(KEEP, [0, 0, 0, 0], { scorer: 'none' }) });
  });

  it.each<[GateVariant, 'before' | 'after', 'separate' | 'shared']>([
    ['vector', 'before', 'separate'],
    ['scalar', 'before', 'shared'],
    ['mlp', 'before', 'separate'],
    ['low-rank', 'before', 'separate'],
    ['hybrid', 'before', 'shared'],
    ['vector', 'after', 'separate'],
    ['scalar', 'after', 'separate'],
    ['hybrid', 'after', 'separate'],
  ])('soft %s gates, %s the branch, %s', async (variant, position, sharing) => {
    const spec = { variant, position, sharing, multiplies: true };
    await check({ spec, trainable: ['gates', 'norms', 'backbone'], plan: planOf(KEEP, [0, 0, 0, 0]) });
  });

  it.each<[KvMode, boolean]>([
    ['project', false],
    ['absent', false],
    ['alias', false],
    ['project', true],
    ['absent', true],
    ['alias', true],
  ])('hard skipping, kv %s, gates that multiply: %s', async (kv, multiplies) => {
    const skipShare = await check({ spec: { variant: 'vector', multiplies }, plan: planOf(THRESHOLD, [0.5, 0.5, 0.5, 0.5], { kv }) });
    expect(skipShare).toBeGreaterThan(0.2);
    expect(skipShare).toBeLessThan(0.8);
  });

  it.each<[Rule, number]>([
    ['fraction', 0.5],
    ['quantile', 0.375],
    ['repeat', 0],
  ])('rule %s on some branches, the others kept', async (rule, value) => {
    const plan = planOf([rule, 'keep', 'keep', rule], [value, 0, 0, value], { kv: 'alias' });
    const trainable: ParameterGroup[] = ['lora', 'norms', 'backbone'];
    expect(await check({ trainable, plan })).toBeGreaterThan(0.1);
  });

  it.each<[KvMode, boolean]>([
    ['project', false],
    ['absent', true],
    ['alias', false],
  ])('stand-ins with maps, kv %s, gates that multiply: %s', async (kv, multiplies) => {
    const plan = planOf(THRESHOLD, [0.5, 0.5, 0.5, 0.5], { kv });
    const skipShare = await check({ spec: { variant: 'vector', multiplies }, standInRank: 2, plan });
    expect(skipShare).toBeGreaterThan(0.2);
  });

  it('frozen maps of dropped branches pass the gradient on', async () => {
    const plan = planOf(['repeat', 'keep', 'repeat', 'repeat'], [0, 0, 0, 0], { scorer: 'none' });
    await check({ standInRank: 3, trainable: ['lora', 'norms', 'backbone'], plan });
  });

  it('random skipping by position', async () => {
    const plan = planOf(THRESHOLD, [0.4, 0.4, 0.4, 0.4], { scorer: 'random', seed: 2, kv: 'absent' });
    expect(await check({ plan, spec: { multiplies: false } })).toBeGreaterThan(0.1);
  });

  it('a batch without stand-ins and with other positions', async () => {
    const plan = planOf(THRESHOLD, [0.5, 0.5, 0.5, 0.5], { standIns: false });
    const positions = Int32Array.from([3, 4, 5, 6, 7, 8, 10, 11, 12, 14]);
    await check({ trainable: ['norms', 'backbone'], plan, step: { positions } });
  });

  it.each<[string, (vocabularySize: number) => TrainLoss]>([
    ['teacher with a tail', (vocabularySize) => teacherLoss(vocabularySize, 5, 0.125)],
    ['teacher without a tail', (vocabularySize) => teacherLoss(vocabularySize, 5, 0)],
    ['teacher of the whole vocabulary', (vocabularySize) => teacherLoss(vocabularySize, vocabularySize, 0)],
    ['both', (vocabularySize) => ({ ...crossEntropyLoss(vocabularySize), ...teacherLoss(vocabularySize, 3, 0.25) })],
    [
      'cross-entropy over a given divisor, L2 of the gates',
      (vocabularySize) => ({
        crossEntropy: { ...crossEntropyLoss(vocabularySize).crossEntropy!, weight: 0.5, divisor: 4 },
        gates: { kind: 'l2', weight: 0.7 },
      }),
    ],
    [
      'L1 of some gates on some rows',
      () => ({ gates: { kind: 'l1', weight: 2, branches: [1, 2], rows: Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 1, 1, 0) } }),
    ],
    ['density of the gates', () => ({ gates: { kind: 'density', weight: 2, density: 0.6 } })],
  ])('loss: %s', async (name, loss) => {
    const isGateLoss = name.includes('L1') || name.includes('density');
    // A gate loss alone says nothing about what comes after the gates.
    if (!isGateLoss) {
      await check({ spec: { variant: 'low-rank', multiplies: true }, plan: planOf(KEEP, [0, 0, 0, 0]), loss });
      return;
    }
    const model = tinyModel();
    const gates = randomGates(model, { variant: 'low-rank', multiplies: false });
    const trainer = await referenceBackend.loadTrainer!(model, { gates, trainable: ['gates', 'backbone'], detachGateInput: false });
    const input = stepInput(model, planOf(KEEP, [0, 0, 0, 0]), loss(model.config.vocabularySize));
    await trainer.step(input);
    const random = seededUniform(4);
    for (const parameter of trainer.parameters) await expectDirectionalDerivative(trainer, input, parameter, random);
    expect(trainer.parameters.some(({ gradient }) => gradient.some((slope) => slope !== 0))).toBe(true);
  });
});
