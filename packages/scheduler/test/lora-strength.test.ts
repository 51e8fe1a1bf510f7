import { expect, it } from 'vitest';
import { type Budget, createPolicy, densePlanOf, policies } from '../src/index.js';
import { branches, calibrate, gates, profile, runRows, shape, simulateScores } from './support/simulation.js';

const scores = simulateScores(3, 96, { common: 0.7, correlation: 0.8, drift: 0, offset: 0 });
const plain = calibrate(scores);
/** In full from a quarter skipped on. */
const calibration = { ...plain, curve: plain.curve.map((knot) => ({ ...knot, loraStrength: Math.min(1, 4 * knot.skip) })) };
const strengthOf = (name: string, budget: Budget, options = {}) =>
  createPolicy(name, { shape, gates, calibration, profile, budget, options }).open({ promptTokens: 8 }).plan(0, 8).loraStrength;

it('gives plans the share of low-rank additions that the curve was measured with at their budget', () => {
  for (const skip of [0.05, 0.1, 0.2]) expect(strengthOf('global-threshold', { skip })).toBeCloseTo(4 * skip, 6);
  for (const skip of [0.3, 0.4]) expect(strengthOf('global-threshold', { skip })).toBe(1);
  const knot = calibration.curve[4]!;
  expect(strengthOf('global-threshold', { net: knot.net })).toBeCloseTo(knot.loraStrength, 6);
});

it('does so for every policy, and takes it away where nothing may skip', () => {
  for (const { name, needs } of policies) {
    if (needs.includes('scores') || name === 'static') continue;
    expect([name, strengthOf(name, { skip: 0.1 })]).toEqual([name, name === 'dense' ? 0 : expect.closeTo(0.4, 6)]);
    expect([name, strengthOf(name, { net: 1 })]).toEqual([name, 0]);
  }
  // A static drop says itself how much it skips.
  expect(strengthOf('static', { skip: 0.9 }, { branches: [4, 6, 8] })).toBeCloseTo((4 * 3) / branches, 6);
  expect(densePlanOf(shape, calibration).loraStrength).toBe(0);
});

it('turns a speed-up into MACs at the context that the policy is told', () => {
  const at = (contextTokens: number) => strengthOf('global-threshold', { speedup: 1.15 }, { contextTokens });
  expect(at(512)).toBe(strengthOf('global-threshold', { speedup: 1.15 }));
  expect(at(4096)).not.toBeCloseTo(at(512)!, 3);
});

it('leaves it open where the calibration does', () => {
  expect(densePlanOf(shape, plain)).not.toHaveProperty('loraStrength');
  expect(densePlanOf(shape, undefined)).not.toHaveProperty('loraStrength');
  const policy = createPolicy('global-threshold', { shape, gates, calibration: plain, budget: { skip: 0.1 } });
  expect(policy.open({ promptTokens: 8 }).plan(0, 8)).not.toHaveProperty('loraStrength');
});

it('keeps it while thresholds move, in forks too', () => {
  const sequence = createPolicy('global-threshold', { shape, gates, calibration, budget: { skip: 0.1 } }).open({ promptTokens: 8 });
  const seen = new Set<number | undefined>();
  const thresholds = new Set<number>();
  let fork = sequence;
  for (let position = 0; position < 80; ) {
    const rows = Math.min(80 - position, fork.spanAt(position));
    const plan = fork.plan(position, rows);
    seen.add(plan.loraStrength);
    thresholds.add(plan.values[10]!);
    fork.observe(runRows(plan, position, scores.slice(position, position + rows)));
    position += rows;
    fork = fork.fork();
  }
  expect([...seen]).toEqual([expect.closeTo(0.4, 6)]);
  expect(thresholds.size).toBeGreaterThan(1);
});
