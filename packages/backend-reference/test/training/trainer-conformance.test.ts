import type { Backend, Trainer, TrainerOptions, TrainStepInput } from '@gateskip/backend';
import { trainerConformanceCases } from '@gateskip/backend/conformance';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../../src/index.js';

const exact = { loss: 0, gradient: 1e-14 };

/** Against itself the numbers agree trivially; the laws, the refusals and the state after them do not. */
describe('the reference trainer conforms', () => {
  for (const { name, run } of trainerConformanceCases({ backend: referenceBackend, oracle: referenceBackend, tolerance: exact })) {
    it(name, async (context) => {
      const reason = await run();
      if (reason !== undefined) context.skip(reason);
    });
  }
});

interface Mutation {
  readonly options?: (options: TrainerOptions) => TrainerOptions;
  readonly input?: (input: TrainStepInput) => TrainStepInput;
  readonly trainer?: (trainer: Trainer) => Partial<Trainer>;
}

function mutant(mutation: Mutation): Backend {
  return {
    ...referenceBackend,
    async loadTrainer(model, options) {
      const trainer = await referenceBackend.loadTrainer!(model, mutation.options?.(options) ?? options);
      const run =
        (method: 'step' | 'evaluate'): Trainer['step'] =>
        (input, signal) => {
          // Broken input stays as it is: a mutant need not survive it.
          const changed = input.plan?.values?.length === 6 && mutation.input ? mutation.input(input) : input;
          return trainer[method](changed, signal);
        };
      const overrides: Partial<Trainer> = { step: run('step'), evaluate: run('evaluate'), ...mutation.trainer?.(trainer) };
      return new Proxy(trainer, {
        get(target, key) {
          const value: unknown = key in overrides ? overrides[key as keyof Trainer] : Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

function replaceGradients(trainer: Trainer): Partial<Trainer> {
  return {
    step(input, signal) {
      trainer.zeroGradients();
      return trainer.step(input, signal);
    },
  };
}

function scaleGains(factor: number): NonNullable<Mutation['trainer']> {
  return (trainer) => ({
    async step(input, signal) {
      const result = await trainer.step(input, signal);
      return { ...result, ...(result.gains && { gains: result.gains.map((gain) => factor * gain) }) };
    },
  });
}

/** [what is wrong, the cases that must notice, the mutation] */
const MUTANTS: readonly (readonly [string, RegExp, Mutation])[] = [
  ['kv mode project where absent is asked', /kv absent/, { input: (i) => ({ ...i, plan: { ...i.plan, kv: 'project' } }) }],
  ['kv mode absent where alias is asked', /kv alias/, { input: (i) => ({ ...i, plan: { ...i.plan, kv: 'absent' } }) }],
  ['no surrogate', /kv project/, { input: ({ straightThrough: _, ...i }) => ({ ...i, want: { ...i.want, gains: false } }) }],
  ['rows that are worth a little more', /kv project/, { trainer: scaleGains(1.001) }],
  ['rows that are worth the opposite', /what rows are worth/, { trainer: scaleGains(-1) }],
  ['another temperature', /kv project/, { input: (i) => ({ ...i, straightThrough: { temperature: 0.11 } }) }],
  ['a budget that is not held', /budget held, scalar/, { input: (i) => ({ ...i, straightThrough: { temperature: 0.1 } }) }],
  [
    'a budget that is held with one saving for all branches',
    /budget held, scalar/,
    { input: (i) => ({ ...i, straightThrough: { temperature: 0.1, savings: i.straightThrough!.savings!.map(() => 1) } }) },
  ],
  [
    'scores that kept rows teach too',
    /skipped rows alone/,
    { input: (i) => ({ ...i, straightThrough: { ...i.straightThrough, taught: 'all' } }) },
  ],
  ['a surrogate that nobody asked for', /random|plain/, { input: (i) => ({ ...i, straightThrough: { temperature: 0.1 } }) }],
  ['stand-ins forgotten', /dropped branches/, { input: (i) => ({ ...i, plan: { ...i.plan, standIns: false } }) }],
  [
    'segments that see each other',
    /dense, all weights, cross/,
    { input: (i) => ({ ...i, segmentLengths: Int32Array.of(i.tokens.length) }) },
  ],
  [
    'rows of weight 0 counted',
    /low-rank additions to all/,
    { input: (i) => ({ ...i, loss: { ...i.loss, rowWeights: new Float32Array(i.tokens.length).fill(1) } }) },
  ],
  ['gate inputs detached', /low-rank gates/, { options: (o) => ({ ...o, detachGateInput: true }) }],
  ['gate inputs not detached', /published/, { options: (o) => ({ ...o, detachGateInput: false }) }],
  ['another alpha', /low-rank additions to some/, { options: (o) => (o.lora ? { ...o, lora: { ...o.lora, alpha: 8.01 } } : o) }],
  ['gradients that replace those before', /dense, all weights, cross/, { trainer: replaceGradients }],
  ['an evaluation that leaves gradients', /dense, all weights, cross/, { trainer: (t) => ({ evaluate: (i, s) => t.step(i, s) }) }],
  ['gradients that stay', /dense, all weights, cross/, { trainer: () => ({ zeroGradients: () => {} }) }],
  ['parameters in another order', /dense, all weights, cross/, { trainer: (t) => ({ parameters: [...t.parameters].reverse() }) }],
];

describe('the training cases notice', () => {
  it.each(MUTANTS)('%s', async (_, where, mutation) => {
    const cases = trainerConformanceCases({ backend: mutant(mutation), oracle: referenceBackend }).filter(({ name }) => where.test(name));
    const outcomes = await Promise.all(
      cases.map(({ run }) =>
        run().then(
          () => 'passed',
          (error: Error) => error.name,
        ),
      ),
    );
    expect(outcomes).toContain('ConformanceError');
  });

  it('a gradient that is off by little', async () => {
    const backend = mutant({
      trainer: (trainer) => ({
        step: async (input, signal) => {
          const result = await trainer.step(input, signal);
          for (const { name, gradient } of trainer.parameters)
            if (name === 'layers.1.value.loraUp') gradient[0]! += 1e-2 * Math.hypot(...gradient);
          return result;
        },
      }),
    });
    const [first] = trainerConformanceCases({ backend, oracle: referenceBackend }).filter(({ name }) => name.includes('to all matrices'));
    await expect(first!.run()).rejects.toThrow('layers.1.value.loraUp');
  });
});
