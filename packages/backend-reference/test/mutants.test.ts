import type { Backend, LoadOptions, Runner, StepInput, StepResult } from '@gateskip/backend';
import { conformanceCases } from '@gateskip/backend/conformance';
import type { Plan, Rule } from '@gateskip/gate';
import { type BackboneChanges, createMemoryModel, type LayerMatrix, type LoraChanges, type Model } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../src/index.js';

/** A way to be wrong. What it does not override is right. */
interface Mutation {
  model?(model: Model): Model;
  options?(options: LoadOptions): LoadOptions;
  /** Changes what goes into a step. */
  plan?(plan: Plan, input: StepInput): Plan;
  input?(input: StepInput): StepInput;
  /** Changes what comes out of it; undefined: nothing to change here. */
  result?(result: StepResult, input: StepInput): StepResult | undefined;
  runner?(runner: Runner): Partial<Runner>;
}

function mutant(mutation: Mutation): Backend {
  return {
    ...referenceBackend,
    async load(model, options = {}) {
      const runner = await referenceBackend.load(mutation.model?.(model) ?? model, mutation.options?.(options) ?? options);
      const step: Runner['step'] = async (input, plans, signal) => {
        const changed = Array.isArray(plans) && mutation.plan ? plans.map((plan) => mutation.plan!(plan, input)) : plans;
        const result = await runner.step(mutation.input?.(input) ?? input, changed, signal);
        return mutation.result?.(result, input) ?? result;
      };
      const overrides: Partial<Runner> = { step, adapter: options.adapter, ...mutation.runner?.(runner) };
      return new Proxy(runner, {
        get(target, key) {
          const value: unknown = key in overrides ? overrides[key as keyof Runner] : Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
  };
}

const mapRules =
  (from: Rule, change: (value: number, rows: number) => readonly [Rule, number]) =>
  (plan: Plan, input: StepInput): Plan => {
    if (!Array.isArray(plan.rules) || !(plan.values instanceof Float32Array)) return plan;
    const changed = plan.rules.map((rule, i) =>
      rule === from ? change(plan.values[i]!, input.tokens.length) : ([rule, plan.values[i]!] as const),
    );
    return { ...plan, rules: changed.map(([rule]) => rule), values: Float32Array.from(changed, ([, value]) => value) };
  };

const withConfig =
  (change: object) =>
  (model: Model): Model => ({ ...model, config: { ...model.config, ...change } });

const mapGates =
  (change: (gates: NonNullable<LoadOptions['adapter']>['gates']) => object) =>
  (options: LoadOptions): LoadOptions =>
    options.adapter === undefined
      ? options
      : { ...options, adapter: { ...options.adapter, gates: { ...options.adapter.gates, ...change(options.adapter.gates) } } };

const mapBackbone =
  (change: (backbone: BackboneChanges) => object) =>
  (options: LoadOptions): LoadOptions => {
    const backbone = options.adapter?.backbone;
    return backbone === undefined ? options : { ...options, adapter: { ...options.adapter!, backbone: change(backbone) } };
  };

const mapLora = (change: (lora: LoraChanges) => object) =>
  mapBackbone(({ lora, ...rest }) => (lora ? { ...rest, lora: { ...lora, ...change(lora) } } : rest));

/** As if the backend did not know that this matrix may have an addition. */
const withoutMatrix =
  (matrix: LayerMatrix) =>
  ({ layers }: LoraChanges): object => ({
    layers: layers.map((factors) =>
      factors[matrix] ? { ...factors, [matrix]: { down: factors[matrix].down, up: factors[matrix].up.map(() => 0) } } : factors,
    ),
  });

/** [what is wrong, the cases that must notice (any of them), the mutation] */
const MUTANTS: readonly (readonly [string, RegExp, Mutation])[] = [
  ['one logit off by 1e-3', /^dense/, { result: (r) => r.logits && { ...r, logits: r.logits.map((v, i) => (i === 7 ? v + 1e-3 : v)) } }],
  ['logits not finite', /^dense/, { result: (r) => r.logits && { ...r, logits: r.logits.map((v, i) => (i === 7 ? Number.NaN : v)) } }],
  [
    'the other rope layout',
    /^dense/,
    { model: (m) => withConfig({ ropeLayout: m.config.ropeLayout === 'half' ? 'interleaved' : 'half' })(m) },
  ],
  ['rope scaling ignored', /rope scaling/, { model: withConfig({ ropeScaling: undefined }) }],
  ['another epsilon', /^dense/, { model: withConfig({ rmsNormEpsilon: 1e-3 }) }],
  ['a weight of one layer wrong', /^dense/, { model: zeroedDown }],
  ['fraction skips one row too many', /fraction/, { plan: mapRules('fraction', (v, rows) => ['fraction', Math.min(1, v + 1 / rows)]) }],
  [
    'fraction product in single precision',
    /fraction counts/,
    { plan: mapRules('fraction', (v, rows) => ['fraction', Math.min(1, (Math.fround(v * (rows - 1)) + 1e-4) / (rows - 1))]) },
  ],
  ['quantile read as fraction', /quantile/, { plan: mapRules('quantile', (v) => ['fraction', v]) }],
  ['repeat 2 runs once', /repeat/, { plan: mapRules('repeat', (v) => ['repeat', Math.min(1, v)]) }],
  [
    'a score equal to the threshold is kept',
    /equal to the threshold/,
    { plan: mapRules('threshold', (v) => ['threshold', v * (1 - 2 ** -22)]) },
  ],
  ['pins ignored', /^rules/, { plan: ({ pinned: _, ...plan }) => plan }],
  ['the seed ignored', /scorer random/, { plan: (plan) => (plan.seed === 7 ? { ...plan, seed: 8 } : plan) }],
  [
    'given scores read by row and branch',
    /scorer given/,
    { plan: (plan) => (plan.scores && plan.scorer === 'given' ? { ...plan, scores: plan.scores.toReversed() } : plan) },
  ],
  ['given scores also asked of the gate', /given/, { plan: (plan) => (plan.scorer === 'given' ? { ...plan, scorer: 'random' } : plan) }],
  ['alias treated as absent', /kv alias/, { plan: (plan) => (plan.kv === 'alias' ? { ...plan, kv: 'absent' } : plan) }],
  ['absent treated as project', /kv absent/, { plan: (plan) => (plan.kv === 'absent' ? { ...plan, kv: 'project' } : plan) }],
  ['stand-ins ignored', /^gates/, { plan: (plan) => ({ ...plan, standIns: false }) }],
  ['stand-ins not switched off', /switched off/, { plan: ({ standIns: _, ...plan }) => plan }],
  ['gates do not multiply', /multiplying/, { options: mapGates(({ spec }) => ({ spec: { ...spec, multiplies: false } })) }],
  [
    'a gate takes the parameters of its neighbour',
    /^gates: (scalar|vector)/,
    { options: mapGates(({ gates }) => ({ gates: [...gates.slice(1), gates[0]] })) },
  ],
  ['low-rank additions dropped silently', /^backbone/, { options: mapBackbone(({ norms }) => ({ norms })) }],
  ['norm weights dropped silently', /^backbone/, { options: mapBackbone(({ lora }) => ({ lora })) }],
  ['alpha taken for the scale', /^backbone/, { options: mapLora((lora) => ({ alpha: lora.alpha * lora.rank })) }],
  ['no addition to mlpDown', /mlpDown alone/, { options: mapLora(withoutMatrix('mlpDown')) }],
  ['no addition to value', /value alone/, { options: mapLora(withoutMatrix('value')) }],
  ['additions of the neighbouring layer', /^backbone/, { options: mapLora(({ layers }) => ({ layers: layers.toReversed() })) }],
  ['low-rank additions cost nothing', /^backbone/, { result: (r) => ({ ...r, macs: r.macs.map((v, i) => Math.min(v, r.denseMacs[i]!)) }) }],
  [
    'low-rank additions not declared, yet accepted',
    /not declared/,
    { runner: (runner) => ({ capabilities: { ...runner.capabilities, backboneChanges: ['norms'] } }) },
  ],
  ['picks left out', /^results: picked/, { result: ({ picked: _, ...r }) => r }],
  [
    'picks of rows, not of output rows',
    /^results: picked/,
    {
      input: (input) =>
        input.picks ? { ...input, picks: { ...input.picks, outputs: input.picks.outputs.map((o) => Math.max(0, o - 1)) } } : input,
    },
  ],
  ['kept counts off by one', /^rules/, { result: (r) => ({ ...r, kept: r.kept.map((v) => v + 1) }) }],
  ['macs without the gates', /^gates/, { result: (r) => ({ ...r, macs: r.macs.map((v) => v - (v % 1024)) }) }],
  ['denseMacs off by one', /^dense/, { result: (r) => ({ ...r, denseMacs: r.denseMacs.map((v) => v + 1) }) }],
  [
    'scores 0 where there are none',
    /^dense/,
    { result: (r) => ({ ...r, ...(r.scores && { scores: r.scores.map((v) => (Number.isNaN(v) ? 0 : v)) }) }) },
  ],
  ['a wanted trace is left out', /^gates/, { result: ({ hidden: _, ...r }) => r }],
  [
    'results depend on the size of the step',
    /^batches: (alone|a prompt)/,
    {
      result: (r, input) => r.logits && { ...r, logits: r.logits.map((v) => Math.fround(v * (1 + 2e-7 * input.tokens.length))) },
    },
  ],
  ['plans ranked together', /ranked together/, { plan: (plan) => plan, runner: joinedPlans }],
  [
    'top logits in ascending order',
    /highest logits/,
    { result: (r) => r.top && { ...r, top: { ...r.top, tokens: r.top.tokens.toReversed() } } },
  ],
  [
    'logSumExp over the top only',
    /highest logits/,
    { result: (r) => r.top && { ...r, top: { ...r.top, logSumExp: r.top.logSumExp.map((v) => v - 0.01) } } },
  ],
  [
    'fork forgets the last token',
    /fork/,
    { runner: (runner) => ({ fork: (id, length) => runner.fork(id, Math.max(0, (length ?? runner.sequenceLength(id)) - 1)) }) },
  ],
  [
    'truncate keeps one token too many',
    /truncate/,
    { runner: (runner) => ({ truncate: (id, length) => runner.truncate(id, Math.min(runner.sequenceLength(id), length + 1)) }) },
  ],
  ['a closed sequence keeps its rows', /close/, { runner: () => ({ closeSequence: () => {} }) }],
  ['usage counts shared rows twice', /fork/, { runner: doubledUsage }],
  ['a refused step shortens the sequence', /^bad input/, { runner: forgetfulOnError }],
  [
    'values are clamped, not refused',
    /threshold 1.5|fraction 1.01/,
    { plan: (plan) => ({ ...plan, values: plan.values?.map?.((v) => Math.min(1, v)) }) },
  ],
  ['a wrong error', /token past/, { runner: untyped }],
  ['steps wait for each other instead of GS_BUSY', /busy/, { runner: queued }],
  ['the signal is ignored', /aborted step/, { runner: (runner) => ({ step: (input, plans) => runner.step(input, plans) }) }],
  [
    'maxTokens is ignored',
    /maxTokens are refused|past maxTokens/,
    {
      options: ({ maxTokens, ...options }) => (maxTokens === 32 ? options : { ...options, ...(maxTokens !== undefined && { maxTokens }) }),
    },
  ],
  ['usable after close', /closed is closed/, { runner: () => ({ close: async () => {} }) }],
  ['unknown load options are ignored', /unknown load option/, { options: ({ extra: _, ...options }) => options }],
  [
    'a rule less than declared',
    /capabilities/,
    { runner: (runner) => ({ capabilities: { ...runner.capabilities, rules: ['keep', 'threshold', 'fraction'] } }) },
  ],
];

function zeroedDown(model: Model): Model {
  const name = `layers.${model.config.layers - 1}.mlpDown`;
  const tensors = new Map(
    [...model.tensors].map(([key, info]) => {
      const bytes = info.data.kind === 'memory' ? info.data.bytes : new Uint8Array();
      return [key, { type: info.type, bytes: key === name ? new Uint8Array(bytes.length) : bytes }] as const;
    }),
  );
  return createMemoryModel(model.config, tensors);
}

/** All rows under the first plan; only sound where the plans differ in nothing else. */
function joinedPlans(runner: Runner): Partial<Runner> {
  return {
    step: (input, plans, signal) => runner.step({ ...input, segments: input.segments.map((own) => ({ ...own, plan: 0 })) }, plans, signal),
  };
}

function doubledUsage(runner: Runner): Partial<Runner> {
  const kvUsage: Runner['kvUsage'] = (id) => {
    const usage = runner.kvUsage(id);
    return { ...usage, used: Math.max(usage.used, usage.dense) };
  };
  return { kvUsage };
}

function forgetfulOnError(runner: Runner): Partial<Runner> {
  const step: Runner['step'] = async (input, plans, signal) => {
    try {
      return await runner.step(input, plans, signal);
    } catch (error) {
      for (const { sequence } of input.segments) {
        try {
          runner.truncate(sequence, runner.sequenceLength(sequence) - 1);
        } catch {
          // not a sequence: nothing to forget
        }
      }
      throw error;
    }
  };
  return { step };
}

function untyped(runner: Runner): Partial<Runner> {
  const step: Runner['step'] = (input, plans, signal) =>
    runner.step(input, plans, signal).catch((error: unknown) => Promise.reject(new Error(String(error))));
  return { step };
}

function queued(runner: Runner): Partial<Runner> {
  let last: Promise<unknown> = Promise.resolve();
  const step: Runner['step'] = (input, plans, signal) => {
    const next = last.then(
      () => runner.step(input, plans, signal),
      () => runner.step(input, plans, signal),
    );
    last = next;
    return next;
  };
  return { step };
}

describe('the conformance kit finds backends that are wrong', () => {
  it.each(MUTANTS)('%s', async (_name, cases, mutation) => {
    const relevant = conformanceCases({ backend: mutant(mutation), oracle: referenceBackend }).filter(({ name }) => cases.test(name));
    expect(relevant.length).toBeGreaterThan(0);
    for (const { run } of relevant) {
      const found = await run().then(
        () => undefined,
        (error: { code?: string }) => error,
      );
      if (found === undefined) continue;
      expect(found).toMatchObject({ code: 'GS_NOT_CONFORMANT' });
      return;
    }
    expect.fail(`none of ${relevant.length} cases noticed`);
  });

  it('and the wrapper itself is not what they find', async () => {
    const cases = conformanceCases({ backend: mutant({}), oracle: referenceBackend }).filter(({ name }) =>
      /^(sequences|results|lifecycle|bad input)/.test(name),
    );
    for (const { run } of cases) await run();
  });
});
