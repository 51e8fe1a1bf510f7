import { type Budget, createPolicy } from '@gateskip/scheduler';
import { describe, expect, it } from 'vitest';
import { calibrate, decode, gates, runRows, shape, simulateScores } from './support/simulation.js';

const noise = { common: 0.6, correlation: 0.8, drift: 0, offset: 0.3 };
const calibration = calibrate(simulateScores(7, 1500, { ...noise, offset: 0 }));
const PROMPT = 64;
const scores = simulateScores(1037, PROMPT + 256, noise);

const policyOf = (name: string, budget: Budget, promptBudget?: unknown) =>
  createPolicy(name, { shape, gates, calibration, budget, options: promptBudget === undefined ? {} : { promptBudget } });
const promptOf = (name: string, budget: Budget, promptBudget?: unknown) =>
  policyOf(name, budget, promptBudget).open({ promptTokens: PROMPT }).plan(0, PROMPT);

describe.each(['global-threshold', 'branch-threshold'])('%s with a budget for the prompt', (name) => {
  it.each<[Budget, Budget, string]>([
    [{ skip: 0.1 }, { skip: 0.4 }, '40%'],
    [{ net: 0.9 }, { net: 0.7 }, 'net=70%'],
  ])('plans the prompt of %o as %o would', (budget, prompt, text) => {
    expect(promptOf(name, budget, prompt)).toEqual(promptOf(name, prompt));
    expect(promptOf(name, budget, text)).toEqual(promptOf(name, prompt));
    expect(promptOf(name, budget, prompt)).not.toEqual(promptOf(name, budget));
  });

  it.each([0, 0.05, 0.2, 0.45])('holds the answer at its own, whatever the prompt skips: %d', (promptSkip) => {
    const sequence = policyOf(name, { skip: 0.2 }, { skip: promptSkip }).open({ promptTokens: PROMPT });
    const held = decode(sequence, PROMPT, scores);
    for (const upTo of [64, 128, 256]) {
      const share = held.slice(0, upTo).reduce((sum, { skip }) => sum + skip, 0) / upTo;
      expect(Math.abs(share - 0.2)).toBeLessThan(0.01);
    }
  });

  it('skips in the prompt alone where the answer is to skip nothing, in forks too', () => {
    const sequence = policyOf(name, { skip: 0 }, { skip: 0.3 }).open({ promptTokens: PROMPT });
    const plan = sequence.plan(0, PROMPT);
    expect(plan.scorer).toBe('gate');
    const prompt = runRows(plan, 0, scores.slice(0, PROMPT));
    expect(prompt.skipped).toBeGreaterThan(0.15);
    sequence.observe(prompt);
    for (const one of [sequence, sequence.fork()]) {
      expect(one.spanAt(PROMPT)).toBeGreaterThan(1e6);
      expect(one.plan(PROMPT, 200)).toEqual(promptOf(name, { skip: 0 }));
    }
  });

  it('skips in the answer alone where the prompt is to skip nothing', () => {
    const sequence = policyOf(name, { skip: 0.3 }, '0%').open({ promptTokens: PROMPT });
    expect(sequence.plan(0, PROMPT)).toMatchObject(promptOf(name, { skip: 0 }));
    expect(decode(sequence, PROMPT, scores).reduce((sum, { skip }) => sum + skip, 0) / 256).toBeCloseTo(0.3, 2);
  });

  it('plans an answer without a prompt as if it had none', () => {
    const bare = policyOf(name, { skip: 0.2 }).open({ promptTokens: 0 }).plan(0, 1);
    expect(policyOf(name, { skip: 0.2 }, '40%').open({ promptTokens: 0 }).plan(0, 1)).toEqual(bare);
  });

  it('tells of it', () => {
    expect(policyOf(name, { skip: 0.1 }, '40%').promptBudget).toEqual({ skip: 0.4 });
    expect(policyOf(name, { skip: 0.1 })).not.toHaveProperty('promptBudget');
  });

  it('refuses what cannot be meant', () => {
    expect(() => policyOf(name, { skip: 0.2 }, 'net=70%')).toThrow(/Give both as skip, or both as net/);
    expect(() => policyOf(name, { skip: 0.2 }, 'lots')).toThrow(expect.objectContaining({ name: 'InvalidBudgetError' }));
    expect(() => policyOf(name, { skip: 0.2 }, 40)).toThrow(expect.objectContaining({ name: 'InvalidBudgetError' }));
    expect(() => policyOf(name, { skip: 0.2 }, { skip: 0.99 })).toThrow(expect.objectContaining({ name: 'UnreachableBudgetError' }));
  });
});

it('gives prompt and answer the low-rank additions of their budgets', () => {
  const strengthening = { ...calibration, curve: calibration.curve.map((knot) => ({ ...knot, loraStrength: Math.min(1, 4 * knot.skip) })) };
  const policy = createPolicy('global-threshold', {
    shape,
    gates,
    calibration: strengthening,
    budget: { skip: 0.1 },
    options: { promptBudget: '20%' },
  });
  const sequence = policy.open({ promptTokens: PROMPT });
  const plan = sequence.plan(0, PROMPT);
  expect(plan.loraStrength).toBeCloseTo(0.8, 6);
  sequence.observe(runRows(plan, 0, scores.slice(0, PROMPT)));
  expect(sequence.plan(PROMPT, 1).loraStrength).toBeCloseTo(0.4, 6);
});

it('is an option of those policies alone', () => {
  expect(() => policyOf('random', { skip: 0.2 }, '40%')).toThrow(/promptBudget.*not known/);
});
