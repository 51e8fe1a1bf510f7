import type { Runner } from '@gateskip/backend';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import { cpuBackend } from '@gateskip/backend-cpu';
import { referenceBackend } from '@gateskip/backend-reference';
import { createPolicy, type Policy } from '@gateskip/scheduler';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScoredText } from '../src/index.js';
import { type GroupScores, scoreGroups, stepLimits } from '../src/index.js';
import { characterModel, characterTokenizer } from './support/character-model.js';
import { TableRunner } from './support/table-runner.js';

const tokenizer = characterTokenizer();
const text = (context: string, continuation: string): ScoredText => ({
  tokens: tokenizer.encode(context + continuation),
  scoredFrom: context.length,
});
const groups = [
  { texts: ['ran home.', 'swam away!', 'sat.'].map((choice) => text('The old dog saw a cat and ', choice)) },
  { texts: [text('One ', 'two'), text('Two ', 'three')] },
  { texts: [text('Answer: ', 'A'), text('Answer: ', 'B'), text('Answer: ', 'C')] },
  { texts: [text(`${'A long story about nothing much. '.repeat(4)}The end is `, 'near')] },
  { texts: [text('same start, ', 'x'), text('same start, ', 'xylophone'), text('same start, ', 'xylophones')] },
];

async function all(
  given: typeof groups,
  runner: Runner,
  policy: Policy | undefined,
  more: { maxRows?: number; sharePrefix?: boolean } = {},
): Promise<GroupScores[]> {
  const { maxRows, ...rest } = more;
  const results: GroupScores[] = [];
  for await (const result of scoreGroups(given, { runner, policy, limits: stepLimits(runner, maxRows), ...rest })) results.push(result);
  return results;
}

const logprobs = (results: readonly GroupScores[]): number[][][] =>
  results.map(({ texts }) => texts.map((scores) => Array.from(scores.logprobs)));

it('gives the log-probabilities of a table that one can work out by hand', async () => {
  // After token 0 come 0, 1, 2 with 1/2, 1/4, 1/4; after 1 with 1/8, 3/4, 1/8; after 2 all alike.
  const runner = new TableRunner([
    [1 / 2, 1 / 4, 1 / 4],
    [1 / 8, 3 / 4, 1 / 8],
    [1 / 3, 1 / 3, 1 / 3],
  ]);
  const given = [
    { texts: [Int32Array.of(0, 1, 1), Int32Array.of(0, 1, 2), Int32Array.of(0, 0, 2, 0)].map((tokens) => ({ tokens, scoredFrom: 1 })) },
    { texts: [{ tokens: Int32Array.of(2, 0, 0), scoredFrom: 2 }] },
  ];
  const [first, second] = await all(given, runner, undefined);
  const expected = [
    [Math.log(1 / 4), Math.log(3 / 4)],
    [Math.log(1 / 4), Math.log(1 / 8)],
    [Math.log(1 / 2), Math.log(1 / 4), Math.log(1 / 3)],
  ];
  // Logits are float32: each is off by 2^-24 of itself at most, and so is the log of the sum.
  for (const [index, values] of expected.entries())
    for (const [at, value] of values.entries())
      expect(Math.abs((first!.texts[index]!.logprobs[at] as number) - value)).toBeLessThan(4 * 2 ** -24 * Math.log(8));
  expect(first!.texts.map(({ isGreedy }) => isGreedy)).toEqual([false, false, false]);
  // 0 comes after 0, and ties go to the lowest token.
  expect(second!.texts[0]!.isGreedy).toBe(true);
  expect(runner.openSequences).toBe(0);
});

it('closes its sequences when somebody stops listening', async () => {
  const runner = new TableRunner([
    [1 / 2, 1 / 2],
    [1 / 2, 1 / 2],
  ]);
  const texts = [{ tokens: Int32Array.of(0, 1, 1, 0), scoredFrom: 1 }];
  for await (const result of scoreGroups(
    Array.from({ length: 9 }, () => ({ texts })),
    { runner, policy: undefined, limits: stepLimits(runner, 4) },
  )) {
    expect(result.texts).toHaveLength(1);
    break;
  }
  expect(runner.openSequences).toBe(0);
});

describe.each(['reference', 'cpu'] as const)('on backend %s', (name) => {
  const model = characterModel();
  const adapter = createRandomAdapter(model, { seed: 5, standIns: true });
  let runner: Runner | undefined;
  let reason = '';

  beforeAll(async () => {
    if (name === 'reference') runner = await referenceBackend.load(model, { adapter });
    else {
      const { available, reasons } = await cpuBackend.probe();
      if (available) runner = await cpuBackend.load(model, { adapter, threads: 2 });
      else reason = `backend cpu: ${reasons.join('; ')}`;
    }
  });
  afterAll(() => runner?.close());

  const policyOf = (policy: string | undefined, budget = 0.3): Policy | undefined =>
    policy === undefined
      ? undefined
      : createPolicy(policy, {
          shape: model.config,
          budget: { skip: budget },
          gates: adapter.gates.spec,
          ...(adapter.calibration && { calibration: adapter.calibration }),
        });

  it.for([undefined, 'global-threshold', 'branch-threshold', 'random', 'global-fraction', 'branch-quantile'])(
    'policy %s: a group alone and among others gives the same',
    async (policy, { skip }) => {
      if (!runner) return skip(reason);
      const together = await all(groups, runner, policyOf(policy));
      const alone: GroupScores[] = [];
      for (const group of groups) alone.push(...(await all([group], runner, policyOf(policy))));
      expect(logprobs(alone)).toEqual(logprobs(together));
      expect(alone.map(({ usage }) => usage)).toEqual(together.map(({ usage }) => usage));
      expect(runner.kvUsage().used).toBe(0);
    },
  );

  it.for([undefined, 'global-threshold', 'random'])(
    'policy %s: cut into small steps, or without a shared start, it gives the same',
    async (policy, { skip }) => {
      if (!runner) return skip(reason);
      const whole = await all(groups, runner, policyOf(policy));
      expect(logprobs(await all(groups, runner, policyOf(policy), { maxRows: 7 }))).toEqual(logprobs(whole));
      expect(logprobs(await all(groups, runner, policyOf(policy), { sharePrefix: false }))).toEqual(logprobs(whole));
    },
  );

  it('where prompts have a budget of their own, what is scored is the answer', async ({ skip }) => {
    if (!runner) return skip(reason);
    const apart = (budget: number, promptBudget: number): Policy =>
      createPolicy('global-threshold', {
        shape: model.config,
        budget: { skip: budget },
        gates: adapter.gates.spec,
        calibration: adapter.calibration!,
        options: { promptBudget: { skip: promptBudget }, pinnedTokens: 0 },
      });
    const evaluations = 2 * model.config.layers;
    const skipped = async (given: ScoredText, policy: Policy): Promise<number> => {
      const [{ usage }] = (await all([{ texts: [given] }], runner!, policy)) as [GroupScores];
      return usage.rows * evaluations - usage.kept;
    };
    const allPrompt = text('One and two and three and four and ', 'f');
    const allAnswer = { tokens: allPrompt.tokens, scoredFrom: 1 };
    expect(await skipped(allPrompt, apart(0, 0.5))).toBeGreaterThan(0);
    expect(await skipped(allPrompt, apart(0.5, 0))).toBe(0);
    expect(await skipped(allAnswer, apart(0.5, 0))).toBeGreaterThan(0);
    // The one row before the first scored token is the prompt.
    expect(await skipped(allAnswer, apart(0, 0.5))).toBeLessThanOrEqual(evaluations);
    const whole = await all(groups, runner, apart(0.1, 0.5));
    expect(logprobs(await all(groups, runner, apart(0.1, 0.5), { maxRows: 7 }))).toEqual(logprobs(whole));
    expect(logprobs(await all(groups, runner, apart(0.1, 0.5), { sharePrefix: false }))).toEqual(logprobs(whole));
  });

  it('a policy that skips nothing is the dense model, bit for bit', async ({ skip }) => {
    if (!runner) return skip(reason);
    const dense = await all(groups, runner, undefined);
    for (const policy of ['global-threshold', 'random', 'branch-quantile'])
      expect(logprobs(await all(groups, runner, policyOf(policy, 0)))).toEqual(logprobs(dense));
    expect(logprobs(await all(groups, runner, policyOf('global-threshold', 0.3)))).not.toEqual(logprobs(dense));
  });

  it('agrees with logits asked for one text at a time', async ({ skip }) => {
    if (!runner) return skip(reason);
    const [group] = groups;
    const [result] = await all([group!], runner, undefined);
    const vocabulary = model.config.vocabularySize;
    for (const [index, { tokens, scoredFrom }] of group!.texts.entries()) {
      const sequence = runner.openSequence();
      const outputs = Int32Array.from({ length: tokens.length - scoredFrom }, (_, at) => scoredFrom - 1 + at);
      const rules = new Array<'keep'>(2 * model.config.layers).fill('keep');
      const plan = { scorer: 'none' as const, rules, values: new Float32Array(rules.length), kv: 'project' as const };
      const rows = tokens.slice(0, -1);
      const { logits } = await runner.step({ tokens: rows, segments: [{ sequence, start: 0, length: rows.length, plan: 0 }], outputs }, [
        plan,
      ]);
      runner.closeSequence(sequence);
      for (let at = 0; at < outputs.length; at++) {
        const row = Array.from(logits!.subarray(at * vocabulary, (at + 1) * vocabulary));
        const norm = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
        const expected = row[tokens[scoredFrom + at] as number]! - norm;
        // The backend gives its sum of exp in float32.
        expect(Math.abs(result!.texts[index]!.logprobs[at]! - expected)).toBeLessThan(2 ** -20 * (1 + Math.abs(norm)));
      }
    }
  });
});
