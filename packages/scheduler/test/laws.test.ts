import type { Plan } from '@gateskip/gate';
import { type Budget, createPolicy, policies, SequenceOrderError, type SequencePolicy } from '@gateskip/scheduler';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { branches, calibrate, gates, profile, runRows, shape, simulateScores, transposed } from './support/simulation.js';

const noise = { common: 0.7, correlation: 0.8, drift: 0.01, offset: 0.4 };
const calibration = calibrate(simulateScores(7, 400, { ...noise, drift: 0, offset: 0 }));
const TOKENS = 120;
const texts = [simulateScores(1, TOKENS, noise), simulateScores(2, TOKENS, noise)];
const APART = ' with a prompt apart';
const names = [...policies.map((policy) => policy.name), `global-threshold${APART}`, `branch-threshold${APART}`];
const optionsOf = (name: string, budget: Budget): Record<string, unknown> => {
  if (name.endsWith(APART)) return { promptBudget: 'skip' in budget ? { skip: 0.4 } : { net: 0.7 } };
  return name === 'static' ? { layers: [10, 12] } : {};
};
const create = (name: string, budget: Budget = { skip: 0.25 }) =>
  createPolicy(name.replace(APART, ''), { shape, gates, calibration, profile, budget, options: optionsOf(name, budget) });
const known = transposed(texts[0]!);
const open = (name: string, promptTokens: number, budget?: Budget): SequencePolicy =>
  create(name, budget).open({ promptTokens, scores: known });

/** What holds for one row, as text: rules, thresholds, whether it is pinned. */
const rowPlan = (plan: Plan, row: number): string =>
  JSON.stringify([plan.scorer, plan.kv, plan.rules, [...plan.values], plan.pinned?.[row] ?? 0, givenScores(plan, row)]);

const givenScores = ({ scores }: Plan, row: number): number[] =>
  scores === undefined ? [] : Array.from({ length: branches }, (_, branch) => scores[branch * (scores.length / branches) + row]!);

/** Runs a text, cut wherever `cuts` says within what spanAt allows; the plan of every row. */
function run(sequence: SequencePolicy, scores: readonly Float32Array[], cuts: () => number): string[] {
  const plans: string[] = [];
  for (let position = 0; position < scores.length; ) {
    const rows = Math.min(cuts(), sequence.spanAt(position), scores.length - position);
    const plan = sequence.plan(position, rows);
    for (let row = 0; row < rows; row++) plans.push(rowPlan(plan, row));
    sequence.observe(runRows(plan, position, scores.slice(position, position + rows)));
    position += rows;
  }
  return plans;
}

function cutter(sizes: readonly number[]): () => number {
  let index = 0;
  return () => sizes[index++ % sizes.length]!;
}

describe.each(names)('%s', (name) => {
  it('plans alike however the tokens are cut into steps', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 });
    const budget = fc.constantFrom<Budget>({ skip: 0.2 }, { net: 0.8 }, { speedup: 1.15 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 0, max: 90 }), budget, (cuts, promptTokens, asked) => {
        const whole = run(open(name, promptTokens, asked), texts[0]!, () => TOKENS);
        expect(run(open(name, promptTokens, asked), texts[0]!, cutter(cuts))).toEqual(whole);
      }),
      { numRuns: 15 },
    );
  });

  it('never looks at another sequence', () => {
    const policy = create(name);
    const alone = run(policy.open({ promptTokens: 30, scores: known }), texts[0]!, () => 7);
    const first = policy.open({ promptTokens: 30, scores: known });
    const second = policy.open({ promptTokens: 11, scores: transposed(texts[1]!) });
    const together: string[] = [];
    for (let position = 0; position < TOKENS; position++) {
      for (const [index, sequence] of [second, first].entries()) {
        const plan = sequence.plan(position, 1);
        if (index === 1) together.push(rowPlan(plan, 0));
        sequence.observe(runRows(plan, position, [texts[1 - index]![position]!]));
      }
    }
    expect(together).toEqual(alone);
  });

  it('forks into a copy that goes on alike and apart', () => {
    const sequence = open(name, 20);
    run(sequence, texts[0]!.slice(0, 51), () => 16);
    const continuation = (policy: SequencePolicy, scores: readonly Float32Array[]) =>
      Array.from({ length: 40 }, (_, i) => {
        const plan = policy.plan(51 + i, 1);
        policy.observe(runRows(plan, 51 + i, [scores[51 + i]!]));
        return rowPlan(plan, 0);
      });
    const fork = sequence.fork();
    const other = sequence.fork();
    const apart = continuation(other, texts[1]!);
    const original = continuation(sequence, texts[0]!);
    expect(continuation(fork, texts[0]!)).toEqual(original);
    if (name.endsWith('threshold')) expect(apart).not.toEqual(original);
  });

  it('pins the first tokens and leaves protected branches alone', () => {
    const plan = open(name, 10).plan(0, 5);
    if (name !== 'dense') expect([...plan.pinned!]).toEqual([1, 0, 0, 0, 0]);
    expect(plan.rules.length).toBe(branches);
    for (const branch of calibration.protectedBranches) expect(plan.rules[branch]).toBe('keep');
  });

  it('refuses observations out of order, twice, or too long, and impossible counts', () => {
    const sequence = open(name, 10);
    const plan = sequence.plan(0, 4);
    const observation = runRows(plan, 0, texts[0]!.slice(0, 4));
    expect(() => sequence.observe({ ...observation, position: 4 })).toThrow(SequenceOrderError);
    expect(() => sequence.observe({ ...observation, kept: new Uint32Array(branches).fill(5) })).toThrow(/kept 5 of 4/);
    expect(() => sequence.observe({ ...observation, kept: new Uint32Array(3) })).toThrow(/shape/);
    expect(() => sequence.observe({ ...observation, macs: Number.NaN })).toThrow(/MACs/);
    sequence.observe(observation);
    expect(() => sequence.observe(observation)).toThrow(SequenceOrderError);
    expect(() => sequence.plan(-1, 1)).toThrow(/position/);
    expect(() => sequence.plan(4, 0)).toThrow(/rows/);
  });
});

describe.each(['global-threshold', 'branch-threshold'])('%s', (name) => {
  it('changes its thresholds after the prompt, at fixed positions only', () => {
    const promptTokens = 40;
    const plans = run(open(name, promptTokens), texts[0]!, () => 1);
    const changes = plans.flatMap((plan, position) => (position > 1 && plan !== plans[position - 1] ? [position - promptTokens] : []));
    expect(changes.length).toBeGreaterThan(20);
    expect(changes.every((step) => step >= 0 && step % 2 === 0)).toBe(true);
  });

  it('refuses a plan that the past does not determine yet', () => {
    const sequence = open(name, 40);
    expect(() => sequence.plan(0, 41)).toThrow(SequenceOrderError);
    expect(() => sequence.plan(40, 1)).toThrow(SequenceOrderError);
    expect(sequence.spanAt(40)).toBe(2);
    expect(sequence.spanAt(41)).toBe(1);
  });
});

it('branch-threshold keeps branches whose scores are NaN and needs the scores it asked for', () => {
  const sequence = open('branch-threshold', 0);
  expect(sequence.wantsScores).toBe(true);
  for (let position = 0; position < 30; position++) {
    const plan = sequence.plan(position, 1);
    expect(plan.values.every((value) => value >= 0 && value <= 1)).toBe(true);
    sequence.observe(runRows(plan, position, [new Float32Array(branches).fill(Number.NaN)]));
  }
  const { scores: _, ...without } = runRows(sequence.plan(30, 1), 30, [new Float32Array(branches)]);
  expect(() => sequence.observe(without)).toThrow(/Scores/);
});
