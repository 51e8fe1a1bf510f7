import type { GateSpec, KvMode, Plan } from '@gateskip/gate';
import { createRandomModel, type TensorType } from '@gateskip/model';
import { exactly } from '../compare.js';
import { check } from '../conformance-error.js';
import type { ConformanceCase, ConformanceOptions } from '../options.js';
import { dense, mixedPlan, requestOf } from '../plans.js';
import { createRandomAdapter, type RandomAdapterOptions } from '../random-adapter.js';
import { type Part, play, type Scenario, someTokens } from '../scenario.js';
import { type Session, withSession } from '../session.js';

/** Rows of the two prompts of a long step: enough that a backend deals them out another way than a few. */
const LONG = [173, 64] as const;
/** Rows of a short step: other cases hold those to the reference. */
const SHORT = 5;

/** Steps of many rows against the same rows in short steps, bit for bit; only for backends whose rows do not depend on each other. */
export function longStepCases(options: ConformanceOptions): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  for (const kv of ['project', 'absent', 'alias'] as const) {
    for (const type of ['F32', 'Q4_0', 'Q4_1', 'Q8_0'] as const) {
      cases.push({
        name: `long steps: low-rank additions and stand-ins, kv ${kv}, weights in ${type}`,
        run: () => longStepCase(options, { kv, type, adapter: { standIns: true, standInRank: 3, lora: { rank: 4 } } }),
      });
    }
  }
  for (const variant of ['vector', 'scalar', 'mlp', 'low-rank', 'hybrid'] as const) {
    for (const position of ['before', 'after'] as const) {
      const spec: Partial<GateSpec> = { variant, position, multiplies: true };
      cases.push({
        name: `long steps: gates ${variant}, multiplying ${position} the branch`,
        run: () => longStepCase(options, { kv: 'project', type: 'Q4_0', adapter: { spec, standIns: true } }),
      });
    }
  }
  return cases;
}

interface LongStep {
  readonly kv: KvMode;
  readonly type: TensorType;
  readonly adapter: Omit<RandomAdapterOptions, 'seed'>;
}

async function longStepCase(options: ConformanceOptions, { kv, type, adapter }: LongStep): Promise<string | undefined> {
  const model = createRandomModel({ seed: 45, type });
  const { config } = model;
  // Gates behind a branch cannot rank it.
  const ranked = adapter.spec?.position === 'after' ? 'keep' : 'threshold';
  const skipping: Plan = mixedPlan(
    config,
    'gate',
    [
      [ranked, 0.4],
      [ranked, 0.5],
      ['repeat', 2],
      [ranked, 0.6],
      ['keep', 0],
      [ranked, 1],
    ],
    kv,
  );
  const plans = [skipping, dense(config)];
  const prompts = LONG.map((rows, sequence) => someTokens(rows, config.vocabularySize, sequence));
  const part = (sequence: number, from: number, to: number): Part => ({
    sequence,
    plan: sequence,
    tokens: prompts[sequence]!.slice(from, to),
  });
  const together: Part[][] = [prompts.map(({ length }, sequence) => part(sequence, 0, length))];
  const pieces: Part[][] = prompts.flatMap(({ length }, sequence) =>
    Array.from({ length: Math.ceil(length / SHORT) }, (_, i) => [part(sequence, i * SHORT, Math.min(length, (i + 1) * SHORT))]),
  );
  const scenario = { plans, pinnedTokens: 3, want: { scores: true, keptRows: true } } as const;
  let reason: string | undefined;
  const body = async (session: Session) => {
    if (!session.tested.capabilities.batchInvariant) {
      reason = 'its rows may depend on each other.';
      return;
    }
    const whole = await numbersOf(session, { ...scenario, steps: together });
    const inPieces = await numbersOf(session, { ...scenario, steps: pieces });
    exactly('logits of a long step and of short ones', inPieces.logits, whole.logits);
    check(inPieces.kept === whole.kept, () => 'a long step keeps other rows than short ones.');
    check(/0.*1|1.*0/.test(whole.kept) || ranked === 'keep', () => 'the case is no test: all rows run, or none.');
  };
  const declined = await withSession(options, model, createRandomAdapter(model, { ...adapter, seed: 3 }), body, requestOf(skipping));
  return declined ?? reason;
}

/** Logits of all rows in order of sequence and position, and which branches they ran. */
async function numbersOf(session: Session, scenario: Scenario): Promise<{ logits: Float32Array; kept: string }> {
  const { vocabularySize, layers } = session.model.config;
  const logits: number[][] = LONG.map(() => []);
  const kept: string[][] = LONG.map(() => Array.from({ length: 2 * layers }, () => ''));
  for (const [i, { result }] of (await play(session.tested, scenario)).entries()) {
    let row = 0;
    const rows = scenario.steps[i]!.reduce((sum, { tokens }) => sum + tokens.length, 0);
    for (const { sequence, tokens } of scenario.steps[i]!) {
      logits[sequence]!.push(...result.logits!.subarray(row * vocabularySize, (row + tokens.length) * vocabularySize));
      for (const branch of kept[sequence]!.keys())
        kept[sequence]![branch] += [...result.keptRows!.subarray(branch * rows + row, branch * rows + row + tokens.length)].join('');
      row += tokens.length;
    }
  }
  return { logits: Float32Array.from(logits.flat()), kept: JSON.stringify(kept) };
}
