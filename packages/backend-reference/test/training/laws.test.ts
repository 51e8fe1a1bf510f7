import type { ParameterGroup, Trainer, TrainerOptions, TrainLoss, TrainStepInput } from '@gateskip/backend';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import { branchCount, type GateSpec, type KvMode, type Plan, type Rule, type Scorer } from '@gateskip/gate';
import type { GateAdapter } from '@gateskip/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../../src/index.js';
import {
  crossEntropyLoss,
  LORA,
  planOf,
  ROWS,
  randomGates,
  SEGMENTS,
  stepInput,
  teacherLoss,
  tinyModel,
  tokensOf,
} from '../support/training.js';

const model = tinyModel();
const { vocabularySize } = model.config;
const BRANCHES = branchCount(model.config);
const THRESHOLDS = planOf(new Array<Rule>(BRANCHES).fill('threshold'), new Array<number>(BRANCHES).fill(0.5));
const HELD = { straightThrough: { temperature: 0.2, savings: Float64Array.from({ length: BRANCHES }, (_, branch) => 2 + branch) } };
const CURVED = { straightThrough: { temperature: 0.2 } };

const rule = fc.oneof(
  fc.tuple(fc.constant<Rule>('keep'), fc.constant(0)),
  fc.tuple(fc.constantFrom<Rule>('threshold', 'fraction', 'quantile'), fc.float({ min: 0, max: 1, noNaN: true })),
  fc.tuple(fc.constant<Rule>('repeat'), fc.constantFrom(0, 1)),
);
const anyPlan: fc.Arbitrary<Plan> = fc
  .record({
    scorer: fc.constantFrom<Scorer>('gate', 'gate', 'random', 'given'),
    rules: fc.array(rule, { minLength: BRANCHES, maxLength: BRANCHES }),
    kv: fc.constantFrom<KvMode>('project', 'absent', 'alias'),
    standIns: fc.boolean(),
    seed: fc.nat(),
    pinned: fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: ROWS, maxLength: ROWS }),
    scores: fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: BRANCHES * ROWS, maxLength: BRANCHES * ROWS }),
  })
  .map(({ rules, pinned, scores, ...rest }) => ({
    ...rest,
    ...(rest.scorer === 'given' && { scores: Float32Array.from(scores) }),
    rules: rules.map(([name]) => name),
    values: Float32Array.from(rules, ([, value]) => value),
    pinned: Uint8Array.from(pinned),
  }));
const anySpec = fc.record({
  variant: fc.constantFrom<GateSpec['variant']>('vector', 'scalar', 'mlp', 'low-rank', 'hybrid'),
  multiplies: fc.boolean(),
});

async function trainerOf(options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const trainer = await referenceBackend.loadTrainer!(model, {
    gates: randomGates(model),
    lora: LORA,
    trainable: ['gates', 'standIns', 'lora', 'norms', 'backbone'],
    ...options,
  });
  for (const { name, value } of trainer.parameters) if (name.endsWith('loraUp')) value.set(value.map((_, i) => 0.1 * Math.sin(i + 1)));
  return trainer;
}

const gradientsOf = (trainer: Trainer) => trainer.parameters.map(({ gradient }) => Array.from(gradient));

describe('laws of training', () => {
  it('has the forward of the inference runner, bit for bit, and its account of it', async () => {
    await fc.assert(
      fc.asyncProperty(anyPlan, anySpec, fc.boolean(), async (plan, spec, isSurrogate) => {
        const adapter: GateAdapter = createRandomAdapter(model, { seed: 5, spec, standIns: true });
        const runner = await referenceBackend.load(model, { adapter });
        // `up` is zero at the start: low-rank additions then change nothing, not even a bit.
        const trainer = await referenceBackend.loadTrainer!(model, { gates: adapter.gates, lora: LORA, trainable: ['lora'] });
        const all = Int32Array.from({ length: ROWS }, (_, row) => row);
        const tokens = tokensOf(vocabularySize);
        let start = 0;
        const segments = SEGMENTS.map((length) => {
          start += length;
          return { sequence: runner.openSequence(), start: start - length, length, plan: 0 };
        });
        const want = { scores: true, keptRows: true };
        const expected = await runner.step({ tokens, segments, outputs: all, want }, [plan]);
        const step = isSurrogate ? CURVED : {};
        const got = await trainer.step(
          stepInput(model, plan, crossEntropyLoss(vocabularySize), { ...step, want: { ...want, logits: all } }),
        );
        expect(got.logits).toEqual(expected.logits);
        expect(got.keptRows).toEqual(expected.keptRows);
        expect(got.scores).toEqual(expected.scores);
        expect(got.kept).toEqual(expected.kept);
        expect([got.macs, got.denseMacs]).toEqual([expected.macs[0], expected.denseMacs[0]]);
        const skipped = expected.keptRows!.filter((kept) => kept === 0).length;
        expect(got.skipShare).toBeCloseTo(skipped / (BRANCHES * ROWS), 12);
        await Promise.all([runner.close(), trainer.close()]);
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['project', CURVED],
    ['absent', CURVED],
    ['alias', CURVED],
    ['project', HELD],
  ] as const)('runs branches again for the same bits, kv %s', async (kv, surrogate) => {
    const input = stepInput(model, { ...THRESHOLDS, kv }, teacherLoss(vocabularySize, 4, 0.25), surrogate);
    const results = [];
    for (const recompute of [false, true]) {
      const trainer = await trainerOf({ recompute, gates: randomGates(model, { variant: 'vector', multiplies: true }) });
      results.push({ step: await trainer.step(input), gradients: gradientsOf(trainer) });
    }
    expect(results[1]).toEqual(results[0]);
  });

  it('gives the same bits again, and the same loss without gradients', async () => {
    const input = stepInput(model, THRESHOLDS, teacherLoss(vocabularySize, 4, 0.25), CURVED);
    const trainer = await trainerOf();
    const first = await trainer.step(input);
    const once = gradientsOf(trainer);
    expect(await trainer.evaluate(input)).toEqual(first);
    expect(gradientsOf(trainer)).toEqual(once);
    trainer.zeroGradients();
    expect(
      gradientsOf(trainer)
        .flat()
        .some((slope) => slope !== 0),
    ).toBe(false);
    await trainer.step(input);
    expect(gradientsOf(trainer)).toEqual(once);
  });

  it('holds the budget of every segment: what its scores get adds up to nothing', async () => {
    // Gates of one bias alone: its gradient is the sum over rows of what scores get, times a slope that all share.
    const gates = randomGates(model, { variant: 'scalar', multiplies: false });
    for (const { weight, bias } of gates.gates) {
      weight.fill(0);
      bias.fill(0);
    }
    const sumOf = async (surrogate: Pick<TrainStepInput, 'straightThrough'>) => {
      const trainer = await trainerOf({ gates, trainable: ['gates'] });
      await trainer.step(stepInput(model, THRESHOLDS, teacherLoss(vocabularySize, 4, 0.25), surrogate));
      const slopes = trainer.parameters.filter(({ name }) => name.endsWith('.bias')).map(({ gradient }) => gradient[0]!);
      return { sum: slopes.reduce((sum, slope) => sum + slope, 0), most: Math.max(...slopes.map(Math.abs)) };
    };
    const held = await sumOf(HELD);
    expect(held.most).toBeGreaterThan(1e-3);
    expect(Math.abs(held.sum)).toBeLessThan(1e-13 * held.most);
    const free = await sumOf(CURVED);
    expect(Math.abs(free.sum)).toBeGreaterThan(1e-3 * free.most);
  });

  it.each([
    ['all rows that are not pinned', 'all' as const],
    ['skipped rows alone', 'skipped' as const],
  ])('teaches scores by what %s are worth', async (_, taught) => {
    const gates = randomGates(model, { variant: 'scalar' });
    const trainer = await trainerOf({ gates, trainable: ['gates'] });
    const want = { gains: true, scores: true, keptRows: true };
    const loss = teacherLoss(vocabularySize, 4, 0.25);
    const { gains, scores, keptRows } = await trainer.step(stepInput(model, THRESHOLDS, loss, { straightThrough: { taught }, want }));
    for (let branch = 0; branch < BRANCHES; branch++) {
      let expected = 0;
      for (let i = branch * ROWS; i < (branch + 1) * ROWS; i++)
        if (taught === 'all' || keptRows![i] === 0) expected += gains![i]! * scores![i]! * (1 - scores![i]!);
      const { gradient } = trainer.parameters.find(({ name }) => name === `branches.${branch}.bias`)!;
      expect(gradient[0]).toBeCloseTo(expected, 6);
    }
    const kinds = new Set(keptRows);
    expect(kinds.size).toBe(2);
  });

  it.each([
    ['thresholds that stand still', CURVED],
    ['budgets that are held', HELD],
  ])('keeps packed segments apart, with %s: together they are the sum of each alone over the same divisor', async (_, surrogate) => {
    const whole = stepInput(model, THRESHOLDS, {
      ...teacherLoss(vocabularySize, 4, 0.25),
      gates: { kind: 'l2', weight: 0.5 },
    });
    const { teacher, rowWeights } = whole.loss;
    const together = await trainerOf();
    const { loss } = await together.step({ ...whole, ...surrogate });
    const apart = await trainerOf();
    const divisor = rowWeights!.reduce((sum, weight) => sum + weight, 0);
    let sum = 0;
    let start = 0;
    for (const length of SEGMENTS) {
      const cut = <A extends Int32Array | Float32Array | Uint8Array>(array: A, width = 1) =>
        array.slice(start * width, (start + length) * width) as A;
      const part: TrainLoss = {
        rowWeights: cut(rowWeights!),
        teacher: {
          ...teacher!,
          tokens: cut(teacher!.tokens, teacher!.count),
          logProbabilities: cut(teacher!.logProbabilities, teacher!.count),
          tailMass: cut(teacher!.tailMass),
          divisor,
        },
        gates: { kind: 'l2', weight: (0.5 * length) / ROWS },
      };
      const input: TrainStepInput = {
        tokens: cut(whole.tokens),
        segmentLengths: Int32Array.of(length),
        plan: { ...THRESHOLDS, pinned: cut(THRESHOLDS.pinned!) },
        loss: part,
        ...surrogate,
      };
      sum += (await apart.step(input)).loss;
      start += length;
    }
    expect(Math.abs(sum - loss)).toBeLessThan(1e-12 * loss);
    const [expected, got] = [gradientsOf(together), gradientsOf(apart)];
    for (const [i, { name }] of together.parameters.entries()) {
      const norm = Math.hypot(...expected[i]!);
      expect(Math.hypot(...expected[i]!.map((slope, j) => slope - got[i]![j]!)), name).toBeLessThanOrEqual(1e-13 * norm + 1e-16);
    }
  });

  it('gives a frozen group no gradient and the others the same as if all were trained', async () => {
    const input = stepInput(model, THRESHOLDS, crossEntropyLoss(vocabularySize), CURVED);
    const gradientsWith = async (trainable: readonly ParameterGroup[]) => {
      const trainer = await referenceBackend.loadTrainer!(model, { gates: randomGates(model), lora: LORA, trainable });
      await trainer.step(input);
      return new Map(trainer.parameters.map(({ name, group, gradient }) => [name, { group, gradient }]));
    };
    const groups: ParameterGroup[] = ['gates', 'standIns', 'lora', 'norms', 'backbone'];
    const all = await gradientsWith(groups);
    for (const group of groups) {
      expect(await gradientsWith([group])).toEqual(new Map([...all].filter(([, parameter]) => parameter.group === group)));
    }
  });

  it('steps down the gradient: the loss falls by what the gradient promises', async () => {
    const input = stepInput(
      model,
      planOf(new Array<Rule>(BRANCHES).fill('keep'), new Array<number>(BRANCHES).fill(0)),
      teacherLoss(vocabularySize, 4, 0.25),
    );
    const trainer = await trainerOf({ gates: randomGates(model, { variant: 'vector', multiplies: true }) });
    const before = (await trainer.step(input)).loss;
    const slope = trainer.parameters.reduce((sum, { gradient }) => sum + Math.hypot(...gradient) ** 2, 0);
    const rate = (0.01 * before) / slope;
    for (const { value, gradient } of trainer.parameters) for (let i = 0; i < value.length; i++) value[i]! -= rate * gradient[i]!;
    const after = (await trainer.evaluate(input)).loss;
    expect(before - after).toBeGreaterThan(0.5 * 0.01 * before);
  });

  it('is stopped by its signal with no gradient left, and lets the event loop turn', async () => {
    const long = tinyModel({ contextLength: 512 });
    const trainer = await referenceBackend.loadTrainer!(long, { trainable: ['norms'] });
    const rows = 400;
    const input: TrainStepInput = {
      tokens: Int32Array.from({ length: rows }, (_, row) => row % vocabularySize),
      segmentLengths: Int32Array.of(rows),
      plan: planOf(new Array<Rule>(BRANCHES).fill('keep'), new Array<number>(BRANCHES).fill(0), {
        scorer: 'none',
        pinned: new Uint8Array(rows),
      }),
      loss: { crossEntropy: { targets: new Int32Array(rows), weight: 1 } },
    };
    let turns = 0;
    const clock = setInterval(() => turns++, 1);
    await trainer.step(input);
    clearInterval(clock);
    expect(turns).toBeGreaterThan(3);
    const controller = new AbortController();
    const running = trainer.step(input, controller.signal);
    await expect(trainer.evaluate(input)).rejects.toMatchObject({ code: 'GS_BUSY' });
    setTimeout(() => controller.abort(), 10);
    await expect(running).rejects.toMatchObject({ code: 'GS_ABORTED' });
    expect(trainer.parameters.every(({ gradient }) => gradient.every((g) => g === 0))).toBe(true);
    await trainer.close();
    await expect(trainer.step(input)).rejects.toMatchObject({ code: 'GS_CLOSED' });
  });
});
