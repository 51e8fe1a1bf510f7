import type { GateSpec, Plan } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';
import { exactly } from '../compare.js';
import { check } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense, requestOf, uniformPlan } from '../plans.js';
import { createRandomAdapter, type RandomAdapterOptions } from '../random-adapter.js';
import { play, type Scenario, someTokens } from '../scenario.js';
import { compareScenario, type Session, tunedSetup, withSession } from '../session.js';

const VARIANTS: readonly GateSpec['variant'][] = ['vector', 'scalar', 'mlp', 'low-rank', 'hybrid'];

/** Gate variants, gates that multiply, stand-ins. */
export function gateCases(options: ConformanceOptions): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  for (const variant of VARIANTS) {
    for (const multiplies of [false, true]) {
      const form = multiplies ? 'multiplying' : 'scoring';
      cases.push({ name: `gates: ${variant}, ${form}, threshold`, run: () => compareGates(options, { variant, multiplies }, 'threshold') });
    }
    cases.push({
      name: `gates: ${variant}, multiplying, fraction`,
      run: () => compareGates(options, { variant, multiplies: true }, 'fraction'),
    });
    cases.push({
      name: `gates: ${variant}, multiplying, repeat 2`,
      run: () => compareGates(options, { variant, multiplies: true }, 'repeat'),
    });
    cases.push({
      name: `gates: ${variant}, multiplying after the branch`,
      run: () => compareGates(options, { variant, multiplies: true, position: 'after' }, 'keep'),
    });
  }
  return [
    ...cases,
    {
      name: 'gates: shared by all branches of a kind',
      run: () => compareGates(options, { variant: 'scalar', sharing: 'shared' }, 'threshold'),
    },
    { name: 'gates: multiplying gates are off with scorers none, random and given', run: () => gatesOffCase(options) },
    { name: 'gates: stand-ins can be switched off by the plan', run: () => standInsOffCase(options, {}) },
    { name: 'gates: stand-ins with maps can be switched off by the plan', run: () => standInsOffCase(options, { standInRank: 3 }) },
    { name: 'gates: stand-ins with maps, float32', run: () => mappedStandInsCase(options, { standInRank: 5 }, 'project') },
    {
      name: 'gates: stand-ins with maps, bfloat16, kv absent',
      run: () => mappedStandInsCase(options, { standInRank: 18, standInBfloat: true }, 'absent'),
    },
    { name: 'gates: scores wanted of dense rows', run: () => wantedScoresCase(options) },
  ];
}

function scenarioOf(plans: readonly Plan[]): Scenario {
  const tokens = someTokens(16, 128, 5);
  const steps = [tokens.slice(0, 12), tokens.slice(12, 13), tokens.slice(13)].map((part) => [{ sequence: 0, tokens: part }]);
  return { steps, plans, pinnedTokens: 1, want: { scores: true, keptRows: true, hidden: true } };
}

async function compareGates(
  options: ConformanceOptions,
  spec: Partial<GateSpec>,
  rule: Plan['rules'][number],
): Promise<string | undefined> {
  const model = createRandomModel({ seed: 31 });
  const plan = uniformPlan(model.config, 'gate', rule, rule === 'repeat' ? 2 : 0.4);
  const setup = await tunedSetup(options, model, { spec, standIns: true }, scenarioOf([plan]));
  return withSession(
    options,
    model,
    setup.adapter,
    async (session) => void (await compareScenario(session, setup.scenario)),
    requestOf(plan),
  );
}

async function gatesOffCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 32 });
  const adapter = createRandomAdapter(model, { seed: 1, spec: { multiplies: true, variant: 'vector' } });
  return withSession(options, model, adapter, async (session) => {
    await compareScenario(session, scenarioOf([dense(model.config)]));
    for (const scorer of ['random', 'given'] as const) {
      if (session.tested.capabilities.scorers.includes(scorer))
        await compareScenario(session, scenarioOf([uniformPlan(model.config, scorer, 'fraction', 0.3)]));
    }
  });
}

type StandInOptions = Pick<RandomAdapterOptions, 'standInRank' | 'standInBfloat'>;

async function mappedStandInsCase(options: ConformanceOptions, standIns: StandInOptions, kv: Plan['kv']): Promise<string | undefined> {
  const model = createRandomModel({ seed: 35 });
  const plan: Plan = { ...uniformPlan(model.config, 'gate', 'threshold', 0.4), kv };
  const given: Plan = { ...uniformPlan(model.config, 'random', 'fraction', 0.5), kv };
  const setup = await tunedSetup(options, model, { ...standIns, standIns: true }, scenarioOf([plan]));
  const body = async (session: Session) => {
    await compareScenario(session, setup.scenario);
    // Without a gate that scores, too: any skip gets them.
    if (session.tested.capabilities.scorers.includes('random')) await compareScenario(session, scenarioOf([given]));
  };
  return withSession(options, model, setup.adapter, body, requestOf(plan));
}

async function standInsOffCase(options: ConformanceOptions, standIns: StandInOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 33 });
  const plan = uniformPlan(model.config, 'gate', 'threshold', 0.4);
  const setup = await tunedSetup(options, model, { ...standIns, standIns: true }, scenarioOf([{ ...plan, standIns: false }]));
  const body = async (session: Session) => {
    const [step] = await compareScenario(session, setup.scenario);
    const { keptRows, hidden } = step!.result;
    const d = model.config.hiddenSize;
    for (const [at, kept] of keptRows!.entries()) {
      const added = hidden!.outputs.subarray(at * d, (at + 1) * d);
      check(kept === 1 || added.every((value) => value === 0), () => `row ${at} of the trace skips and something was added to its stream.`);
    }
  };
  return withSession(options, model, setup.adapter, body, requestOf(plan));
}

async function wantedScoresCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 34 });
  const adapter = createRandomAdapter(model, { seed: 1 });
  return withSession(options, model, adapter, async (session) => {
    const scenario = scenarioOf([dense(model.config)]);
    const [asked] = await compareScenario(session, scenario);
    const [unasked] = await play(session.tested, { ...scenario, want: {} });
    check(unasked!.result.scores === undefined && unasked!.result.hidden === undefined, () => 'a trace came back that was not asked for.');
    exactly('logits with and without a trace', asked!.result.logits, unasked!.result.logits);
    exactly('macs with and without scores wanted', asked!.result.macs, unasked!.result.macs);
  });
}
