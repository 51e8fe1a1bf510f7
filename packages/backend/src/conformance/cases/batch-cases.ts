import type { KvMode, Plan } from '@gateskip/gate';
import { createRandomModel, type TensorType } from '@gateskip/model';
import { closeRows, exactly } from '../compare.js';
import { check } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense, mixedPlan, requestOf, uniformPlan } from '../plans.js';
import { type Part, play, type Scenario, someTokens } from '../scenario.js';
import { compareScenario, type Session, tunedSetup, withSession } from '../session.js';

const KV_MODES: readonly KvMode[] = ['project', 'absent', 'alias'];

/** Several sequences and plans in one step; independence from batch mates and from how a prompt is cut. */
export function batchCases(options: ConformanceOptions): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  for (const kv of KV_MODES) {
    // Quantised weights may take another path through a backend, the more so for single rows.
    for (const type of ['F32', 'Q4_0', 'Q8_0'] as const) {
      const setting = `kv ${kv}, weights in ${type}`;
      cases.push(
        { name: `batches: prefill and decode under several plans, ${setting}`, run: () => raggedCase(options, kv, type) },
        { name: `batches: alone and among others, ${setting}`, run: () => aloneCase(options, kv, type) },
        { name: `batches: a prompt in one piece, in pieces, token by token, ${setting}`, run: () => chunkCase(options, kv, type) },
      );
    }
  }
  return [...cases, { name: 'batches: sequences of one plan are ranked together, plans apart', run: () => sharedPlanCase(options) }];
}

/** Stand-ins that read their input: what rows beside a row, or how a prompt is cut, must not change either. */
const withStandIns = { standIns: true, standInRank: 3 } as const;

/** Where weights are rounded too, vectors alone: maps would pass the rounding on until it reaches the tolerance. */
const standInsFor = (type: TensorType) => (type === 'F32' ? withStandIns : { standIns: true });

/** Sequence 0 decodes while 1 is prefilled, 2 joins late, 3 stops early. */
function raggedSteps(vocabularySize: number): Part[][] {
  const of = (sequence: number, from: number, to: number, plan: number): Part => ({
    sequence,
    plan,
    tokens: someTokens(40, vocabularySize, sequence).slice(from, to),
  });
  return [
    [of(0, 0, 7, 0), of(3, 0, 3, 1)],
    [of(3, 3, 4, 1), of(0, 7, 8, 0), of(1, 0, 9, 2)],
    [of(1, 9, 10, 2), of(0, 8, 9, 0), of(2, 0, 5, 1)],
    [of(0, 9, 10, 0), of(1, 10, 11, 2), of(2, 5, 8, 1)],
  ];
}

async function raggedCase(options: ConformanceOptions, kv: KvMode, type: TensorType): Promise<string | undefined> {
  const model = createRandomModel({ seed: 41, type });
  const { config } = model;
  const plans = [
    uniformPlan(config, 'gate', 'threshold', 0.4, kv),
    dense(config),
    mixedPlan(
      config,
      'gate',
      [
        ['fraction', 0.3],
        ['repeat', 2],
        ['threshold', 0.4],
      ],
      kv,
    ),
  ];
  const setup = await tunedSetup(options, model, standInsFor(type), { steps: raggedSteps(config.vocabularySize), plans, pinnedTokens: 1 });
  return withSession(
    options,
    model,
    setup.adapter,
    async (session) => void (await compareScenario(session, setup.scenario)),
    requestOf(plans[0]!, plans[2]!),
  );
}

async function sharedPlanCase(options: ConformanceOptions): Promise<string | undefined> {
  const model = createRandomModel({ seed: 42 });
  const { config } = model;
  const plans = [uniformPlan(config, 'gate', 'fraction', 0.4), uniformPlan(config, 'gate', 'fraction', 0.5)];
  const part = (sequence: number, count: number, plan: number): Part => ({
    sequence,
    plan,
    tokens: someTokens(count, config.vocabularySize, sequence),
  });
  const steps = [[part(0, 5, 0), part(1, 6, 1), part(2, 4, 0), part(3, 3, 1)]];
  const setup = await tunedSetup(options, model, {}, { steps, plans });
  return withSession(
    options,
    model,
    setup.adapter,
    async (session) => void (await compareScenario(session, setup.scenario)),
    requestOf(...plans),
  );
}

async function aloneCase(options: ConformanceOptions, kv: KvMode, type: TensorType): Promise<string | undefined> {
  const model = createRandomModel({ seed: 43, type });
  const { config } = model;
  const plans = [uniformPlan(config, 'gate', 'threshold', 0.4, kv), dense(config), uniformPlan(config, 'gate', 'threshold', 0.5, kv)];
  const together: Scenario = { steps: raggedSteps(config.vocabularySize), plans };
  const setup = await tunedSetup(options, model, withStandIns, together);
  const body = async (session: Session) => {
    const batch = await logitsBySequence(session, setup.scenario);
    for (const sequence of batch.keys()) {
      const steps = setup.scenario.steps
        .map((parts) => parts.filter((part) => part.sequence === sequence))
        .filter(({ length }) => length > 0);
      const alone = await logitsBySequence(session, { ...setup.scenario, steps });
      sameRows(session, `sequence ${sequence} alone and in the batch`, alone.get(sequence)!, batch.get(sequence)!);
    }
  };
  return withSession(options, model, setup.adapter, body, requestOf(plans[0]!));
}

async function chunkCase(options: ConformanceOptions, kv: KvMode, type: TensorType): Promise<string | undefined> {
  const model = createRandomModel({ seed: 44, type });
  const { config } = model;
  const tokens = someTokens(24, config.vocabularySize, 8);
  const plan: Plan = mixedPlan(
    config,
    'gate',
    [
      ['threshold', 0.4],
      ['threshold', 0.4],
      ['repeat', 2],
      ['threshold', 0.4],
      ['keep', 0],
    ],
    kv,
  );
  const cut = (...ends: number[]): Part[][] =>
    ends.map((end, i) => [{ sequence: 0, tokens: tokens.slice(i === 0 ? 0 : ends[i - 1]!, end) }]);
  const setup = await tunedSetup(options, model, withStandIns, { steps: cut(24), plans: [plan], pinnedTokens: 2 });
  const body = async (session: Session) => {
    await compareScenario(session, setup.scenario);
    const whole = await logitsBySequence(session, setup.scenario);
    for (const steps of [cut(7, 24), cut(1, 2, 3, 11, 24), cut(...tokens.map((_, i) => i + 1))]) {
      const pieces = await logitsBySequence(session, { ...setup.scenario, steps });
      sameRows(session, `a prompt of 24 in ${steps.length} pieces`, whole.get(0)!, pieces.get(0)!);
    }
  };
  return withSession(options, model, setup.adapter, body, requestOf(plan));
}

async function logitsBySequence(session: Session, scenario: Scenario): Promise<Map<number, Float32Array>> {
  const rows = new Map<number, number[]>();
  const { vocabularySize } = session.model.config;
  for (const [i, { result }] of (await play(session.tested, scenario)).entries()) {
    let row = 0;
    for (const { sequence, tokens } of scenario.steps[i]!) {
      const own = result.logits!.subarray(row * vocabularySize, (row + tokens.length) * vocabularySize);
      rows.set(sequence, [...(rows.get(sequence) ?? []), ...own]);
      row += tokens.length;
    }
  }
  check(rows.size > 0, () => 'the scenario has no sequences.');
  return new Map([...rows].map(([sequence, values]) => [sequence, Float32Array.from(values)]));
}

/** Bit for bit where the backend says so, else within the tolerance. */
function sameRows(session: Session, what: string, expected: Float32Array, got: Float32Array): void {
  if (session.tested.capabilities.batchInvariant) exactly(what, expected, got);
  else closeRows(what, expected, got, session.model.config.vocabularySize, session.tolerance.logits);
}
