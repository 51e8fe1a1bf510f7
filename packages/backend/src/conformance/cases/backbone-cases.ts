import type { KvMode, Plan } from '@gateskip/gate';
import {
  createMemoryModel,
  createRandomModel,
  dequantize,
  type GateAdapter,
  type LoraChanges,
  layerMatrices,
  type MemoryTensor,
  type Model,
} from '@gateskip/model';
import { mergeLora } from '../../trainer-parameters.js';
import { closeRows, exactly } from '../compare.js';
import { check, mustThrow } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense, mixedPlan, requestOf, uniformPlan } from '../plans.js';
import { createRandomAdapter, type RandomAdapterOptions } from '../random-adapter.js';
import { type Part, play, type Scenario, someTokens } from '../scenario.js';
import { compareScenario, type Session, tunedSetup, withSession } from '../session.js';
import { INVALID, SHAPE, UNSUPPORTED } from './spoilers.js';

/** Adapters that change the model: low-rank additions and norm weights, with everything that may skip. */
export function backboneCases(options: ConformanceOptions): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  for (const kv of ['project', 'absent', 'alias'] as const)
    cases.push({ name: `backbone: low-rank additions and norms, ragged steps, kv ${kv}`, run: () => raggedCase(options, kv) });
  for (const matrix of layerMatrices) {
    cases.push({
      name: `backbone: a low-rank addition to ${matrix} alone`,
      run: () => compareDense(options, { lora: { rank: 3, matrices: [matrix] } }),
    });
  }
  for (const rank of [1, 16, 31])
    cases.push({ name: `backbone: low-rank additions of rank ${rank}`, run: () => compareDense(options, { lora: { rank } }) });
  for (const rank of [8, 13])
    cases.push({
      name: `backbone: low-rank additions of rank ${rank} in bfloat16`,
      run: () => compareDense(options, { lora: { rank, bfloat: true } }),
    });
  return [
    ...cases,
    { name: 'backbone: norm weights alone', run: () => compareDense(options, { norms: true }) },
    { name: 'backbone: low-rank additions beside block-format weights', run: () => compareDense(options, { lora: { rank: 5 } }, 'Q4_0') },
    {
      name: 'backbone: widths that are no multiple of 32',
      run: () =>
        compareDense(options, { lora: { rank: 5 }, norms: true }, 'F32', {
          hiddenSize: 40,
          heads: 5,
          kvHeads: 5,
          headSize: 8,
          intermediateSize: 72,
          vocabularySize: 101,
        }),
    },
    { name: 'backbone: low-rank additions under repeat, quantile and fraction', run: () => rulesCase(options) },
    { name: 'backbone: skipping nothing equals the model with merged weights', run: () => mergedCase(options) },
    { name: 'backbone: additions of zero are the model itself', run: () => zeroCase(options) },
    { name: 'backbone: shares of the low-rank additions, mixed in a step', run: () => strengthCase(options) },
    {
      name: 'backbone: without a share of the additions a row is the model itself, whoever is beside it',
      run: () => noStrengthCase(options),
    },
    { name: 'backbone: a prompt with low-rank additions in one piece, in pieces, among others', run: () => companyCase(options) },
    { name: 'backbone: changes that fit no model are refused', run: () => refusedCase(options) },
    { name: 'backbone: what is not declared is refused', run: () => undeclaredCase(options) },
  ];
}

const everything: Omit<RandomAdapterOptions, 'seed'> = { standIns: true, lora: { rank: 4 }, norms: true };

function raggedScenario(model: Model, kv: KvMode): Scenario {
  const { config } = model;
  const of = (sequence: number, from: number, to: number, plan: number): Part => ({
    sequence,
    plan,
    tokens: someTokens(30, config.vocabularySize, sequence).slice(from, to),
  });
  return {
    steps: [
      [of(0, 0, 9, 0), of(1, 0, 3, 1)],
      [of(1, 3, 4, 1), of(0, 9, 10, 0), of(2, 0, 21, 0)],
      [of(0, 10, 11, 0), of(2, 21, 22, 0), of(1, 4, 9, 1)],
    ],
    plans: [uniformPlan(config, 'gate', 'threshold', 0.4, kv), dense(config)],
    pinnedTokens: 1,
    want: { scores: true, keptRows: true, hidden: true },
  };
}

async function raggedCase(options: ConformanceOptions, kv: KvMode): Promise<string | undefined> {
  const model = createRandomModel({ seed: 81 });
  const scenario = raggedScenario(model, kv);
  const setup = await tunedSetup(options, model, everything, scenario);
  const body = async (session: Session) => void (await compareScenario(session, setup.scenario));
  return withSession(options, model, setup.adapter, body, requestOf(scenario.plans[0]!));
}

const denseSteps = (model: Model): Scenario => ({
  steps: [
    [{ sequence: 0, tokens: someTokens(17, model.config.vocabularySize) }],
    [{ sequence: 0, tokens: someTokens(3, model.config.vocabularySize, 1) }],
    [{ sequence: 0, tokens: [1] }],
  ],
  plans: [dense(model.config)],
  want: { hidden: true },
});

async function compareDense(
  options: ConformanceOptions,
  changes: Omit<RandomAdapterOptions, 'seed'>,
  type: 'F32' | 'Q4_0' = 'F32',
  config: Parameters<typeof createRandomModel>[0]['config'] = {},
): Promise<string | undefined> {
  const model = createRandomModel({ seed: 82, type, config });
  const adapter = createRandomAdapter(model, { seed: 1, ...changes });
  return withSession(options, model, adapter, async (session) => {
    const [step] = await compareScenario(session, denseSteps(model));
    const { macs, denseMacs } = step!.result;
    check(changes.lora ? macs[0]! > denseMacs[0]! : macs[0] === denseMacs[0], () => `${macs[0]} MACs were counted, dense ${denseMacs[0]}.`);
  });
}

async function rulesCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 83 });
  const plan = mixedPlan(
    model.config,
    'gate',
    [
      ['repeat', 2],
      ['repeat', 2],
      ['quantile', 0.4],
      ['fraction', 0.4],
      ['repeat', 0],
    ],
    'project',
  );
  const tokens = someTokens(15, model.config.vocabularySize, 3);
  const scenario: Scenario = { steps: [[{ sequence: 0, tokens }], [{ sequence: 0, tokens: [5] }]], plans: [plan] };
  const setup = await tunedSetup(options, model, everything, scenario);
  const body = async (session: Session) => void (await compareScenario(session, setup.scenario));
  return withSession(options, model, setup.adapter, body, requestOf(plan));
}

async function mergedCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 84 });
  const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 4 }, norms: true });
  return withSession(options, model, adapter, async (session) => {
    const merged = await options.oracle.load(await mergedModel(model, adapter));
    try {
      const scenario = denseSteps(model);
      const expected = await play(merged, scenario);
      const got = await play(session.tested, scenario);
      for (const [i, { result }] of expected.entries()) {
        // The merged weights are float32, so another rounding of each weight comes on top of the backend's own.
        const tolerance = session.tolerance.logits + 2 ** -20;
        closeRows(`step ${i}, logits`, result.logits!, got[i]!.result.logits!, model.config.vocabularySize, tolerance);
      }
    } finally {
      await merged.close();
    }
  });
}

/** The model with additions and norms written into its weights. */
async function mergedModel(model: Model, { backbone }: GateAdapter): Promise<Model> {
  const { lora, norms } = backbone!;
  const tensors = new Map<string, MemoryTensor>();
  for (const [name, { type, rows, columns }] of model.tensors) {
    const values = norms?.get(name)?.slice() ?? dequantize(type, await model.read(name), rows * columns);
    tensors.set(name, { type: 'F32', values });
  }
  for (const [layer, factors] of lora!.layers.entries()) {
    for (const [matrix, { down, up }] of Object.entries(factors)) {
      const weight = (tensors.get(`layers.${layer}.${matrix}`) as { values: Float32Array }).values;
      mergeLora(weight, Float32Array.from(down), Float32Array.from(up), lora!.rank, lora!.alpha / lora!.rank);
    }
  }
  return createMemoryModel(model.config, tensors);
}

async function zeroCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 85 });
  const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 4 } });
  const lora: LoraChanges = {
    ...adapter.backbone!.lora!,
    layers: adapter.backbone!.lora!.layers.map((factors) =>
      Object.fromEntries(Object.entries(factors).map(([matrix, { down, up }]) => [matrix, { down, up: up.map(() => 0) }])),
    ),
  };
  return withSession(options, model, { ...adapter, backbone: { lora } }, async (session) => {
    const plain = await options.backend.load(model, { ...options.load });
    try {
      const scenario = denseSteps(model);
      const expected = await play(plain, scenario);
      const got = await play(session.tested, scenario);
      for (const [i, { result }] of expected.entries())
        closeRows(`step ${i}, logits`, result.logits!, got[i]!.result.logits!, model.config.vocabularySize, session.tolerance.logits);
    } finally {
      await plain.close();
    }
  });
}

async function strengthCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 89 });
  const ragged = raggedScenario(model, 'project');
  const [skipping, nothing] = ragged.plans as [Plan, Plan];
  const plans = [{ ...skipping, loraStrength: 0.375 }, { ...nothing, loraStrength: 0 }, { ...nothing, loraStrength: 1 }, skipping];
  const steps = [
    ...ragged.steps,
    plans.map((_, plan): Part => ({ sequence: 3 + plan, plan, tokens: someTokens(5, model.config.vocabularySize, plan) })),
  ];
  const setup = await tunedSetup(options, model, everything, { ...ragged, steps, plans });
  const body = async (session: Session) => void (await compareScenario(session, setup.scenario));
  return withSession(options, model, setup.adapter, body, requestOf(skipping));
}

async function noStrengthCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 90, type: 'Q8_0' });
  const { vocabularySize } = model.config;
  const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 4 } });
  const tokens = someTokens(13, vocabularySize);
  const plans = [{ ...dense(model.config), loraStrength: 0 }, dense(model.config)];
  return withSession(options, model, adapter, async (session) => {
    const plain = await options.backend.load(model, { ...options.load });
    try {
      const alone: Scenario = { steps: [[{ sequence: 0, tokens }]], plans };
      const among: Scenario = { steps: [[...alone.steps[0]!, { sequence: 1, plan: 1, tokens: someTokens(9, vocabularySize, 1) }]], plans };
      const [expected] = await play(plain, { ...alone, plans: [dense(model.config)] });
      for (const scenario of [alone, among]) {
        const [got] = await play(session.tested, scenario);
        const { logits, macs, denseMacs } = got!.result;
        const own = logits!.subarray(0, tokens.length * vocabularySize);
        const what = `${scenario.steps[0]!.length} sequences`;
        if (session.tested.capabilities.batchInvariant) exactly(what, expected!.result.logits!, own);
        else closeRows(what, expected!.result.logits!, own, vocabularySize, session.tolerance.logits);
        check(macs[0] === denseMacs[0], () => `${what}: ${macs[0]} MACs were counted, dense ${denseMacs[0]}.`);
      }
    } finally {
      await plain.close();
    }
  });
}

async function companyCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 86, type: 'Q8_0' });
  const { vocabularySize } = model.config;
  const tokens = someTokens(40, vocabularySize, 2);
  const plan = uniformPlan(model.config, 'gate', 'threshold', 0.4);
  const whole: Scenario = { steps: [[{ sequence: 0, tokens }]], plans: [plan], pinnedTokens: 1 };
  const setup = await tunedSetup(options, model, everything, whole);
  const cut = (...ends: number[]): Part[][] => ends.map((end, i) => [{ sequence: 0, tokens: tokens.slice(ends[i - 1] ?? 0, end) }]);
  const among = cut(9, 10, 40).map((parts, i) => [...parts, { sequence: 1, tokens: someTokens(3 + 8 * i, vocabularySize, i) }]);
  const body = async (session: Session) => {
    const logitsOf = async (steps: Scenario['steps']) => {
      const played = await play(session.tested, { ...setup.scenario, steps });
      const own = played.map(({ result }, i) => result.logits!.subarray(0, steps[i]![0]!.tokens.length * vocabularySize));
      return Float32Array.from(own.flatMap((part) => [...part]));
    };
    const expected = await logitsOf(setup.scenario.steps);
    for (const steps of [cut(1, 2, 17, 40), cut(...tokens.map((_, i) => i + 1)), among]) {
      const got = await logitsOf(steps);
      const what = `a prompt in ${steps.length} pieces`;
      if (session.tested.capabilities.batchInvariant) exactly(what, expected, got);
      else closeRows(what, expected, got, vocabularySize, session.tolerance.logits);
    }
  };
  return withSession(options, model, setup.adapter, body, requestOf(plan));
}

async function refusedCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 87, config: { layers: 2 } });
  const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 2 }, norms: true });
  const lora = adapter.backbone!.lora!;
  const [first, second] = lora.layers;
  const { query } = first!;
  const withLora = (change: object): GateAdapter => ({ ...adapter, backbone: { lora: { ...lora, ...change } } });
  const withQuery = (change: object) => withLora({ layers: [{ ...first, query: { ...query, ...change } }, second] });
  const withNorm = (name: string, values: Float32Array): GateAdapter => ({ ...adapter, backbone: { norms: new Map([[name, values]]) } });
  const bad: readonly (readonly [string, string, GateAdapter])[] = [
    ['rank 0', INVALID, withLora({ rank: 0 })],
    ['rank 513', INVALID, withLora({ rank: 513 })],
    ['a rank above the smaller side', INVALID, createRandomAdapter(model, { seed: 1, lora: { rank: 33 } })],
    ['a rank that the factors do not have', SHAPE, withLora({ rank: 3 })],
    ['alpha NaN', INVALID, withLora({ alpha: Number.NaN })],
    ['an unknown matrix', INVALID, withLora({ matrices: ['output'] })],
    ['a matrix that is not named', INVALID, withLora({ matrices: ['query'] })],
    ['a matrix that a layer lacks', INVALID, withLora({ layers: [first, {}] })],
    ['a layer too few', SHAPE, withLora({ layers: [first] })],
    ['down too short', SHAPE, withQuery({ down: query!.down.slice(1) })],
    ['up too long', SHAPE, withQuery({ up: new Float32Array(query!.up.length + 1) })],
    ['a factor NaN', 'GS_GATE_NOT_FINITE', withQuery({ down: query!.down.map(() => Number.NaN) })],
    ['an unknown norm', INVALID, withNorm('layers.2.mlpNorm', new Float32Array(64))],
    ['a norm of another width', SHAPE, withNorm('outputNorm', new Float32Array(63))],
    ['a norm that is infinite', 'GS_GATE_NOT_FINITE', withNorm('outputNorm', new Float32Array(64).fill(Number.POSITIVE_INFINITY))],
  ];
  return withSession(options, model, adapter, async () => {
    for (const [name, code, broken] of bad)
      await mustThrow(name, code, () => options.backend.load(model, { ...options.load, adapter: broken }));
  });
}

async function undeclaredCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 88, config: { layers: 1 } });
  const runner = await options.backend.load(model, options.load);
  const { backboneChanges = [] } = runner.capabilities;
  await runner.close();
  for (const [change, adapter] of [
    ['lora', createRandomAdapter(model, { seed: 1, lora: { rank: 1 } })],
    ['norms', createRandomAdapter(model, { seed: 1, norms: true })],
  ] as const) {
    const isDeclared = backboneChanges.includes(change);
    const reasons = await options.backend.explain({ config: model.config, adapter });
    check(
      (reasons.length === 0) === isDeclared,
      () => `${change} is ${isDeclared ? '' : 'not '}declared, explain says: ${reasons.join(' ') || 'it can'}`,
    );
    if (!isDeclared)
      await mustThrow(`an adapter with ${change}`, UNSUPPORTED, () => options.backend.load(model, { ...options.load, adapter }));
  }
  return undefined;
}
