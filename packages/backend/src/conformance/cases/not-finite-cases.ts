import type { Plan, Rule } from '@gateskip/gate';
import { createMemoryModel, createRandomModel, dequantize, type MemoryTensor, type Model, type TensorType } from '@gateskip/model';
import { closeRows, exactly } from '../compare.js';
import { check } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense, uniformPlan } from '../plans.js';
import { createRandomAdapter } from '../random-adapter.js';
import { someTokens, toInput } from '../scenario.js';
import { withSession } from '../session.js';

const POISON_TOKEN = 9;

/** NaN in a weight must stay in the sequence that met it. */
export function notFiniteCases(options: ConformanceOptions): ConformanceCase[] {
  return (['F32', 'Q8_0'] as const).flatMap((type) => [
    { name: `not finite: a batch mate of NaN is untouched, weights in ${type}`, run: () => batchMateCase(options, type) },
    { name: `not finite: a score that is NaN keeps its row, weights in ${type}`, run: () => keptCase(options, type) },
  ]);
}

/** A random model whose embedding of one token is NaN. */
async function poisonedModel(type: TensorType): Promise<Model> {
  const model = createRandomModel({ seed: 91, type, types: (name) => (name === 'tokenEmbedding' ? 'F32' : undefined) });
  const tensors = new Map<string, MemoryTensor>();
  for (const [name, info] of model.tensors) tensors.set(name, { type: info.type, bytes: await model.read(name) });
  const { rows, columns } = model.tensors.get('tokenEmbedding')!;
  const values = dequantize('F32', await model.read('tokenEmbedding'), rows * columns);
  values.fill(Number.NaN, POISON_TOKEN * columns, (POISON_TOKEN + 1) * columns);
  tensors.set('tokenEmbedding', { type: 'F32', values });
  return createMemoryModel(model.config, tensors);
}

async function batchMateCase(options: ConformanceOptions, type: TensorType): Promise<string | undefined> {
  const model = await poisonedModel(type);
  const { vocabularySize } = model.config;
  const clean = { sequence: 0, tokens: someTokens(6, vocabularySize, 1).map((token) => (token === POISON_TOKEN ? 0 : token)) };
  const poisoned = { sequence: 1, tokens: [1, POISON_TOKEN, 2], plan: 1 };
  return withSession(options, model, undefined, async ({ tested, tolerance }) => {
    const plans = [dense(model.config), dense(model.config)];
    const alone = (await tested.step(toInput([clean], [tested.openSequence()]), plans)).logits!;
    const together = (await tested.step(toInput([poisoned, clean], [tested.openSequence(), tested.openSequence()].reverse()), plans))
      .logits!;
    const mate = together.slice(3 * vocabularySize);
    if (tested.capabilities.batchInvariant) exactly('logits beside NaN', alone, mate);
    else closeRows('logits beside NaN', alone, mate, vocabularySize, tolerance.logits);
    const before = together.subarray(0, vocabularySize);
    check(before.every(Number.isFinite), () => 'the row before the token of NaN is not finite.');
    const after = together.subarray(vocabularySize, 2 * vocabularySize);
    check(after.some(Number.isNaN), () => 'the row of the token of NaN has finite logits: the fault is hidden.');
  });
}

async function keptCase(options: ConformanceOptions, type: TensorType): Promise<string | undefined> {
  const model = await poisonedModel(type);
  const adapter = createRandomAdapter(model, { seed: 1 });
  const tokens = [1, 2, POISON_TOKEN, 3];
  const rules: readonly (readonly [Rule, number])[] = [
    ['threshold', 1],
    ['fraction', 1],
    ['quantile', 0.6],
  ];
  return withSession(options, model, adapter, async ({ tested }) => {
    for (const [rule, value] of rules.filter(([name]) => tested.capabilities.rules.includes(name))) {
      const plan: Plan = uniformPlan(model.config, 'gate', rule, value, tested.capabilities.kvModes[0]!);
      const id = tested.openSequence();
      const { keptRows } = await tested.step(toInput([{ sequence: 0, tokens }], [id]), [plan]);
      for (let branch = 0; branch < plan.rules.length; branch++) {
        check(keptRows![branch * tokens.length + 2] === 1, () => `${rule} ${value}: branch ${branch} skipped a row whose score is NaN.`);
      }
      tested.closeSequence(id);
    }
  });
}
