import { type KvMode, type Plan, type Rule, randomScore, type Scorer } from '@gateskip/gate';
import { createRandomModel, type ModelConfig, type TensorType } from '@gateskip/model';
import { check } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense, mixedPlan, requestOf, uniformPlan } from '../plans.js';
import { createRandomAdapter } from '../random-adapter.js';
import { play, type Scenario, someTokens } from '../scenario.js';
import { compareScenario, type Session, tunedSetup, withSession } from '../session.js';

const KV_MODES: readonly KvMode[] = ['project', 'absent', 'alias'];

type Mix = readonly (readonly [Rule, number])[];

const MIXES: readonly (readonly [name: string, scorers: readonly Scorer[], rules: Mix])[] = [
  ['threshold', ['gate', 'random', 'given'], [['threshold', 0.4]]],
  ['fraction', ['gate', 'random', 'given'], [['fraction', 0.45]]],
  ['quantile', ['gate', 'random', 'given'], [['quantile', 0.45]]],
  [
    'repeat 0, 1, 2',
    ['none', 'gate', 'random', 'given'],
    [
      ['repeat', 2],
      ['repeat', 1],
      ['repeat', 0],
      ['repeat', 2],
      ['repeat', 2],
      ['repeat', 0],
    ],
  ],
  [
    'a different rule per branch',
    ['gate', 'random', 'given'],
    [
      ['threshold', 0.4],
      ['fraction', 0.4],
      ['repeat', 2],
      ['keep', Number.NaN],
      ['quantile', 0.3],
    ],
  ],
];

/** Every rule with every scorer and kv mode. */
export function ruleCases(options: ConformanceOptions): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  for (const [name, scorers, mix] of MIXES) {
    for (const scorer of scorers) {
      for (const kv of KV_MODES) {
        cases.push({ name: `rules: ${name}, scorer ${scorer}, kv ${kv}`, run: () => compareRules(options, mix, scorer, kv, 'F32') });
        // Quantised weights may take another path through a backend.
        if (scorer === 'random' || scorer === 'given') continue;
        const quantised = `rules: ${name}, scorer ${scorer}, kv ${kv}, weights in Q4_1`;
        cases.push({ name: quantised, run: () => compareRules(options, mix, scorer, kv, 'Q4_1') });
      }
    }
  }
  return [
    ...cases,
    { name: 'rules: a score equal to the threshold skips', run: () => equalityCase(options) },
    { name: 'rules: fraction counts floor(value * unpinned), the product in double precision', run: () => fractionCase(options) },
    { name: 'rules: equal scores skip in row order', run: () => tieCase(options) },
    { name: 'rules: quantile of value 0 or of a single row skips none', run: () => quantileZeroCase(options) },
    { name: 'rules: keep for all equals dense bit for bit', run: () => keepAllCase(options) },
  ];
}

/** A prompt in two pieces and a few single tokens, the first token pinned. */
function promptScenario(config: ModelConfig, plans: readonly Plan[]): Scenario {
  const tokens = someTokens(19, config.vocabularySize, 3);
  const cut = (from: number, to: number) => [{ sequence: 0, tokens: tokens.slice(from, to) }];
  return { steps: [cut(0, 9), cut(9, 16), cut(16, 17), cut(17, 18), cut(18, 19)], plans, pinnedTokens: 1 };
}

async function compareRules(
  options: ConformanceOptions,
  mix: Mix,
  scorer: Scorer,
  kv: KvMode,
  type: TensorType,
): Promise<string | undefined> {
  const model = createRandomModel({ seed: 21, type });
  const plan = mixedPlan(model.config, scorer, mix, kv);
  const setup = await tunedSetup(options, model, { standIns: true }, promptScenario(model.config, [plan]));
  const body = async (session: Session) => void (await compareScenario(session, setup.scenario));
  return withSession(options, model, setup.adapter, body, requestOf(plan));
}

async function equalityCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 22 });
  // Random scores are the same float32 everywhere, so that equality can be asked for: token 5 decides in every branch.
  const plan = uniformPlan(model.config, 'random', 'threshold', 0);
  for (let branch = 0; branch < plan.values.length; branch++) plan.values[branch] = randomScore(plan.seed!, 5, branch);
  const body = async (session: Session) => {
    const [step] = await compareScenario(session, { steps: [[{ sequence: 0, tokens: someTokens(9, 128) }]], plans: [plan] });
    for (let branch = 0; branch < plan.values.length; branch++) {
      check(step!.result.keptRows![branch * 9 + 5] === 0, () => `branch ${branch} kept a row whose score equals the threshold.`);
    }
  };
  return withSession(options, model, undefined, body, requestOf(plan));
}

async function fractionCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 23, config: { layers: 1 } });
  const rows = 11;
  const body = async (session: Session) => {
    for (const share of [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1]) {
      const plan = uniformPlan(model.config, 'random', 'fraction', share);
      const [step] = await compareScenario(session, {
        steps: [[{ sequence: 0, tokens: someTokens(rows, 128) }]],
        plans: [plan],
        pinnedTokens: 1,
      });
      const expected = rows - Math.floor(Math.fround(share) * (rows - 1));
      for (const kept of step!.result.kept)
        check(kept === expected, () => `fraction ${share} of ${rows - 1} kept ${kept} rows, expected ${expected}.`);
      for (const branch of [0, 1])
        check(step!.result.keptRows![branch * rows] === 1, () => `fraction ${share} skipped the pinned row in branch ${branch}.`);
    }
  };
  return withSession(options, model, undefined, body, requestOf(uniformPlan(model.config, 'random', 'fraction', 0)));
}

async function tieCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 24 });
  const adapter = createRandomAdapter(model, { seed: 1 });
  // The first branch sees the bare embedding: equal tokens have equal scores there, bit for bit.
  const plan: Plan = { ...dense(model.config), scorer: 'gate' };
  const rules = plan.rules.map((_, branch): Rule => (branch === 0 ? 'fraction' : 'keep'));
  const values = plan.values.map((_, branch) => (branch === 0 ? 0.5 : 0));
  const body = async (session: Session) => {
    const tokens = new Array<number>(8).fill(17);
    const [step] = await compareScenario(session, { steps: [[{ sequence: 0, tokens }]], plans: [{ ...plan, rules, values }] });
    const kept = [...step!.result.keptRows!.slice(0, 8)].join('');
    check(kept === '00001111', () => `kept rows of eight equal scores at fraction 0.5: ${kept}, expected 00001111.`);
  };
  return withSession(options, model, adapter, body, { scorer: 'gate', rules: ['fraction', 'keep'], kv: 'project' });
}

async function quantileZeroCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 25 });
  const plan = uniformPlan(model.config, 'random', 'quantile', 0);
  const body = async (session: Session) => {
    const steps = [[{ sequence: 0, tokens: someTokens(9, 128) }], [{ sequence: 0, tokens: [3] }]];
    for (const { input, result } of await compareScenario(session, { steps, plans: [plan] })) {
      for (const kept of result.kept) check(kept === input.tokens.length, () => `quantile 0 kept ${kept} of ${input.tokens.length} rows.`);
    }
    // Next to a pinned row, and alone: one score is nothing to rank.
    const high = { ...plan, values: plan.values.map(() => 0.9) };
    const single = { steps: [[{ sequence: 0, tokens: [1, 2] }], [{ sequence: 0, tokens: [3] }]], plans: [high], pinnedTokens: 1 };
    for (const { input, result } of await compareScenario(session, single)) {
      const { length } = input.tokens;
      for (const kept of result.kept) check(kept === length, () => `quantile 0.9 with one unpinned row kept ${kept} of ${length} rows.`);
    }
  };
  return withSession(options, model, undefined, body, requestOf(plan));
}

async function keepAllCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 26 });
  const adapter = createRandomAdapter(model, { seed: 1, standIns: true });
  const body = async (session: Session) => {
    const logits = async (plan: Plan) =>
      (await play(session.tested, promptScenario(model.config, [plan]))).flatMap(({ result }) => [...result.logits!]);
    const expected = await logits(dense(model.config));
    const variants: readonly (readonly [string, Plan])[] = [
      ['keep with scoring gates', { ...dense(model.config), scorer: 'gate' }],
      ['repeat 1', uniformPlan(model.config, 'none', 'repeat', 1, 'absent')],
      ['fraction 0', uniformPlan(model.config, 'gate', 'fraction', 0, 'absent')],
      ['threshold 0', uniformPlan(model.config, 'random', 'threshold', 0, 'project')],
    ];
    for (const [name, plan] of variants) {
      if (!session.tested.capabilities.rules.includes(plan.rules[0]!) || !session.tested.capabilities.kvModes.includes(plan.kv)) continue;
      if (!session.tested.capabilities.scorers.includes(plan.scorer)) continue;
      const got = await logits(plan);
      const at = got.findIndex((value, i) => !Object.is(value, expected[i]));
      check(at < 0, () => `${name} differs from dense: logit ${at} is ${got[at]} instead of ${expected[at]}.`);
    }
  };
  return withSession(options, model, adapter, body);
}
