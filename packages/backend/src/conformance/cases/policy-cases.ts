import {
  branchCount,
  type Calibration,
  type GateSpec,
  type ModelShape,
  type Plan,
  planMacs,
  randomScore,
  standInMacs,
} from '@gateskip/gate';
import { createRandomModel, type ModelConfig } from '@gateskip/model';
import type { Runner, Segment, SequenceId, StepResult } from '../../contract.js';
import { exactly } from '../compare.js';
import { check } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense } from '../plans.js';
import { createRandomAdapter } from '../random-adapter.js';
import { someTokens } from '../scenario.js';

/** What a policy under test is made from. */
export interface PolicySetting {
  readonly shape: ModelShape;
  readonly gates: GateSpec;
  readonly calibration: Calibration;
  readonly profile: { readonly blockInfluence: readonly number[]; readonly removalKl: readonly number[] };
  readonly budget: { readonly skip: number } | { readonly net: number };
}

/** One sequence under a policy, as the engine drives it. */
export interface PolicySequence {
  readonly wantsScores: boolean;
  spanAt(position: number): number;
  plan(position: number, rows: number): Plan;
  observe(observation: {
    readonly position: number;
    readonly rows: number;
    readonly kept: Uint32Array;
    readonly macs: number;
    readonly denseMacs: number;
    readonly scores?: Float32Array;
  }): void;
}

/** A policy of @gateskip/scheduler, as far as the kit, which may not know the scheduler, has to know it. */
export interface PolicyUnderTest {
  readonly name: string;
  readonly couplesSequences: boolean;
  readonly promises: string;
  create(setting: PolicySetting): { open(start: { readonly promptTokens: number; readonly scores?: Float32Array }): PolicySequence };
}

const TOKENS = 34;
const PROMPT = 21;
const NET = 0.8;

/**
 * Every policy on a backend, by name: MACs are those of the accounting, budgets that are promised hold, a sequence among others
 * is what it is alone, a budget of nothing is dense bit for bit. All laws of the backend under test alone.
 */
export function policyCases(
  options: Pick<ConformanceOptions, 'backend' | 'load'>,
  policies: readonly PolicyUnderTest[],
): ConformanceCase[] {
  return policies.flatMap((policy) => [
    { name: `policy ${policy.name}: MACs, promise`, run: () => onBackend(options, policy, accountingCase) },
    { name: `policy ${policy.name}: nothing skipped is dense bit for bit`, run: () => onBackend(options, policy, nothingCase) },
    { name: `policy ${policy.name}: alone and in company, in chunks of any size`, run: () => onBackend(options, policy, companyCase) },
  ]);
}

interface Bench {
  readonly runner: Runner;
  readonly policy: PolicyUnderTest;
  readonly setting: Omit<PolicySetting, 'budget'>;
}

async function onBackend(
  { backend, load }: Pick<ConformanceOptions, 'backend' | 'load'>,
  policy: PolicyUnderTest,
  body: (bench: Bench) => Promise<void>,
): Promise<string | undefined> {
  // Six layers: some are free beside the ones that are protected by default.
  const model = createRandomModel({ seed: 91, config: { layers: 6 } });
  const adapter = createRandomAdapter(model, { seed: 3, standIns: true, standInRank: 2 });
  const setting = {
    shape: model.config,
    gates: adapter.gates.spec,
    standInMacs: standInMacs(adapter.gates),
    calibration: adapter.calibration,
    profile: {
      blockInfluence: Array.from({ length: 6 }, (_, layer) => randomScore(5, layer, 0)),
      removalKl: Array.from({ length: 12 }, (_, branch) => randomScore(6, branch, 0)),
    },
  };
  const sequence = policy.create({ ...setting, budget: { net: NET } }).open(start(model.config));
  const plan = sequence.plan(0, Math.min(PROMPT, sequence.spanAt(0)));
  const reasons = await backend.explain({ config: model.config, adapter, scorer: plan.scorer, rules: plan.rules, kv: plan.kv });
  if (reasons.length > 0) return reasons.join(' ');
  const runner = await backend.load(model, { ...load, adapter });
  try {
    const { scorers, rules } = runner.capabilities;
    if (!scorers.includes(plan.scorer)) return `The backend has no scorer ${plan.scorer}.`;
    const missing = plan.rules.find((rule) => !rules.includes(rule));
    if (missing !== undefined) return `The backend has no rule ${missing}.`;
    await body({ runner, policy, setting });
  } finally {
    await runner.close();
  }
  return undefined;
}

const start = (config: ModelConfig) => ({
  promptTokens: PROMPT,
  scores: Float32Array.from({ length: branchCount(config) * TOKENS }, (_, at) => randomScore(7, at, 1)),
});

const textOf = (sequence: number, config: ModelConfig): number[] => someTokens(TOKENS, config.vocabularySize, 50 + sequence);

interface Party {
  readonly id: SequenceId;
  readonly tokens: readonly number[];
  readonly sequence: PolicySequence;
  position: number;
}

/** What a sequence did, by row. */
interface Took {
  readonly logits: number[];
  /** [rows][2L] */
  readonly kept: number[][];
  macs: number;
  denseMacs: number;
  expected: number;
}

/** Runs the texts to their ends, all of them in every step; chunks as long as `sizes` and the policies allow. */
async function drive({ runner }: Bench, sequences: readonly PolicySequence[], sizes: readonly number[]): Promise<Took[]> {
  const { config } = runner;
  const branches = branchCount(config);
  const parties = sequences.map((sequence, i): Party => ({ id: runner.openSequence(), tokens: textOf(i, config), sequence, position: 0 }));
  const records = parties.map((): Took => ({ logits: [], kept: [], macs: 0, denseMacs: 0, expected: 0 }));
  const kvRows = parties.map((): readonly number[] => new Array<number>(config.layers).fill(0));
  for (let step = 0; parties.some(({ position }) => position < TOKENS); step++) {
    const live = parties.filter(({ position }) => position < TOKENS);
    const counts = live.map(({ sequence, position }) => {
      const wanted = position < PROMPT ? Math.min(sizes[step % sizes.length]!, PROMPT - position) : 1;
      return Math.min(wanted, sequence.spanAt(position));
    });
    const rows = counts.reduce((sum, count) => sum + count, 0);
    const tokens = Int32Array.from(live.flatMap(({ tokens: own, position }, i) => own.slice(position, position + counts[i]!)));
    let at = 0;
    const segments = live.map(({ id }, plan): Segment => {
      const segment = { sequence: id, start: at, length: counts[plan]!, plan };
      at += counts[plan]!;
      return segment;
    });
    const own = live.map(({ sequence, position }, i) => sequence.plan(position, counts[i]!));
    const plans = own.map((plan, i) => placed(plan, segments[i]!, rows));
    const outputs = Int32Array.from({ length: rows }, (_, row) => row);
    const result = await runner.step({ tokens, segments, outputs, want: { scores: true, keptRows: true } }, plans);
    for (const [i, party] of live.entries()) {
      const index = parties.indexOf(party);
      kvRows[index] = note(records[index]!, result, {
        plan: own[i]!,
        segment: segments[i]!,
        party,
        rows,
        config,
        kvRows: kvRows[index]!,
        runner,
      });
      const { length } = segments[i]!;
      party.sequence.observe({
        position: party.position,
        rows: length,
        kept: result.kept.slice(i * branches, (i + 1) * branches),
        macs: result.macs[i]!,
        denseMacs: result.denseMacs[i]!,
        ...(party.sequence.wantsScores && { scores: Float32Array.from(columns(result.scores!, rows, segments[i]!)) }),
      });
      party.position += length;
    }
  }
  for (const { id } of parties) runner.closeSequence(id);
  return records;
}

/** Takes down one sequence's part of a step. @returns its K/V rows per layer */
function note(
  record: Took,
  result: StepResult,
  at: {
    readonly plan: Plan;
    readonly segment: Segment;
    readonly party: Party;
    readonly rows: number;
    readonly config: ModelConfig;
    readonly kvRows: readonly number[];
    readonly runner: Runner;
  },
): readonly number[] {
  const { plan, segment, party, rows, config, kvRows, runner } = at;
  const keptRows = Uint8Array.from(columns(result.keptRows!, rows, segment));
  const gates = runner.adapter?.gates.spec;
  const {
    spent,
    dense: denseMacs,
    kvRowsAfter,
  } = planMacs({
    shape: config,
    ...(gates && { gates }),
    plan,
    position: party.position,
    rows: segment.length,
    keptRows,
    kvRowsBefore: kvRows,
    standInMacs: plan.standIns === false ? 0 : standInMacs(runner.adapter?.gates),
  });
  record.expected += spent;
  record.macs += result.macs[segment.plan]!;
  check(result.denseMacs[segment.plan] === denseMacs, () => `denseMacs are ${result.denseMacs[segment.plan]}, expected ${denseMacs}.`);
  record.denseMacs += denseMacs;
  for (let row = 0; row < segment.length; row++) {
    record.kept.push(Array.from({ length: branchCount(config) }, (_, branch) => keptRows[branch * segment.length + row]!));
    const from = (segment.start + row) * config.vocabularySize;
    record.logits.push(...result.logits!.subarray(from, from + config.vocabularySize));
  }
  return kvRowsAfter;
}

/** A segment's columns of [2L, rows]. */
function columns(values: Float32Array | Uint8Array, rows: number, { start: first, length }: Segment): number[] {
  return Array.from(
    { length: (values.length / rows) * length },
    (_, at) => values[Math.floor(at / length) * rows + first + (at % length)]!,
  );
}

/** A sequence's own plan in a step of more rows. */
function placed(plan: Plan, { start: first, length }: Segment, rows: number): Plan {
  const pinned = new Uint8Array(rows);
  if (plan.pinned) pinned.set(plan.pinned, first);
  if (plan.scores === undefined) return { ...plan, pinned };
  const scores = new Float32Array(plan.rules.length * rows);
  for (let branch = 0; branch < plan.rules.length; branch++)
    scores.set(plan.scores.subarray(branch * length, (branch + 1) * length), branch * rows + first);
  return { ...plan, pinned, scores };
}

async function accountingCase(bench: Bench): Promise<void> {
  const { policy, setting, runner } = bench;
  const [record] = await drive(bench, [policy.create({ ...setting, budget: { net: NET } }).open(start(runner.config))], [8, 5]);
  const { macs, expected, denseMacs, kept } = record!;
  check(macs === expected, () => `the backend counted ${macs} MACs, the accounting says ${expected}.`);
  if (policy.promises !== 'at-most') return;
  const pinned = denseOf(runner.config, setting.calibration.pinnedTokens);
  const [free, freeDense] = [macs - pinned, denseMacs - pinned];
  check(free <= NET * freeDense * (1 + 1e-11), () => `${free / freeDense} of the MACs were spent, at most ${NET} was promised.`);
  check(
    kept.some((row) => row.includes(0)),
    () => 'nothing was skipped.',
  );
}

/** MACs of the first tokens, dense. */
function denseOf(config: ModelConfig, tokens: number): number {
  const keptRows = new Uint8Array(branchCount(config) * tokens).fill(1);
  return planMacs({ shape: config, plan: dense(config), position: 0, rows: tokens, keptRows }).dense;
}

async function nothingCase(bench: Bench): Promise<void> {
  const { policy, setting, runner } = bench;
  const branches = branchCount(runner.config);
  const full: PolicySequence = { wantsScores: false, spanAt: () => TOKENS, plan: () => dense(runner.config), observe: () => {} };
  const [expected] = await drive(bench, [full], [8, 5]);
  for (const budget of [{ skip: 0 }, { net: 1 }]) {
    const [got] = await drive(bench, [policy.create({ ...setting, budget }).open(start(runner.config))], [8, 5]);
    // A policy that is told itself what to drop does so whatever the budget.
    if (got!.kept.some((row) => row.includes(0)) && policy.promises === 'exact') continue;
    check(
      got!.kept.every((row) => row.length === branches && !row.includes(0)),
      () => `${JSON.stringify(budget)} skipped something.`,
    );
    exactly(`logits at ${JSON.stringify(budget)}`, Float32Array.from(got!.logits), Float32Array.from(expected!.logits));
  }
}

async function companyCase(bench: Bench): Promise<void> {
  const { policy, setting, runner } = bench;
  // Ranking within a step depends on the step by definition.
  if (policy.couplesSequences || policy.promises === 'step-share') return;
  const made = policy.create({ ...setting, budget: { net: NET } });
  const open = () => made.open(start(runner.config));
  const [alone] = await drive(bench, [open()], [PROMPT]);
  const [among] = await drive(bench, [open(), open(), open()], [4, 9, 2]);
  if (!runner.capabilities.batchInvariant) return;
  check(JSON.stringify(among!.kept) === JSON.stringify(alone!.kept), () => 'other rows were kept in company than alone.');
  exactly('logits in company and alone', Float32Array.from(among!.logits), Float32Array.from(alone!.logits));
}
