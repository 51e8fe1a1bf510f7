import { GateskipError, isGateskipError } from '@gateskip/errors';
import { type Calibration, netFromSkips, speedupFromNet } from '@gateskip/gate';
import {
  type BranchProfile,
  type Budget,
  createPolicy,
  defaultPolicyName,
  formatBudget,
  InvalidBudgetError,
  PolicyNeedsError,
  parseBudget,
  policies,
  UnknownPolicyError,
  UnreachableBudgetError,
  validateBudget,
} from '@gateskip/scheduler';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { branches, calibrate, gates, profile, protectedBranches, shape, simulateScores, transposed } from './support/simulation.js';

const calibration = calibrate(simulateScores(7, 400, { common: 0.7, correlation: 0.8, drift: 0, offset: 0 }));
const scores = transposed(simulateScores(8, 60, { common: 0.7, correlation: 0.8, drift: 0, offset: 0 }));
const free = branches - protectedBranches.length;
const planOf = (name: string, budget: Budget, options?: Record<string, unknown>, other: Partial<{ calibration: Calibration }> = {}) =>
  createPolicy(name, { shape, gates, calibration, profile, budget, ...(options && { options }), ...other })
    .open({ promptTokens: 50, scores })
    .plan(10, 1);

describe('parseBudget', () => {
  it.each([
    ['skip=25%', { skip: 0.25 }],
    ['skip=0.25', { skip: 0.25 }],
    ['25%', { skip: 0.25 }],
    ['net=0.85', { net: 0.85 }],
    ['net=85%', { net: 0.85 }],
    ['speedup=1.3x', { speedup: 1.3 }],
    ['speedup=1.3', { speedup: 1.3 }],
    [' 0% ', { skip: 0 }],
  ])('reads %j', (text, budget) => {
    expect(parseBudget(text)).toEqual(budget);
  });

  it.each([
    '',
    '25',
    'skip',
    'skip=',
    'skip=-1%',
    'skip=100%',
    'net=0',
    'net=1.2',
    'speedup=0.9',
    'speedup=30%',
    'skip=2x',
    'depth=3',
    '1e1%',
    'NaN%',
    '9'.repeat(100),
  ])('refuses %j', (text) => {
    expect(() => parseBudget(text)).toThrow(InvalidBudgetError);
  });

  it('reads back what formatBudget writes, to 12 digits', () => {
    const share = fc.double({ min: 1e-6, max: 0.999, noNaN: true });
    const budget = fc.oneof(
      share.map((skip) => ({ skip })),
      share.map((net) => ({ net })),
      share.map((part) => ({ speedup: 1 + part })),
    );
    fc.assert(
      fc.property(budget, (asked) => {
        const [unit, value] = Object.entries(asked)[0]!;
        const read = parseBudget(formatBudget(asked as Budget)) as unknown as Record<string, number>;
        expect(Math.abs(read[unit]! / value - 1)).toBeLessThanOrEqual(1e-11);
      }),
    );
    expect(formatBudget({ skip: 0.07 })).toBe('skip=7%');
    expect(formatBudget({ speedup: 1.3 })).toBe('speedup=1.3x');
  });

  it.each([null, undefined, 3, {}, { skip: 0.1, net: 0.9 }, { skip: '1' }, { skip: Number.NaN }, { net: Number.POSITIVE_INFINITY }])(
    'validateBudget refuses %o',
    (budget) => {
      expect(() => validateBudget(budget as unknown as Budget)).toThrow(InvalidBudgetError);
    },
  );
});

describe('global-threshold', () => {
  it('is the default and reads its threshold off the calibrated curve', () => {
    expect(defaultPolicyName).toBe('global-threshold');
    for (const knot of calibration.curve.slice(1)) {
      expect(planOf('global-threshold', { skip: knot.skip }).values[10]).toBeCloseTo(knot.threshold, 6);
      expect(planOf('global-threshold', { net: knot.net }).values[10]).toBeCloseTo(knot.threshold, 6);
      const speedup = speedupFromNet(shape, knot.net, 512);
      if (speedup >= 1) expect(planOf('global-threshold', { speedup }).values[10]).toBeCloseTo(knot.threshold, 6);
    }
  });

  it('moves monotonically with the budget', () => {
    const share = fc.double({ min: 0.001, max: 0.85, noNaN: true });
    fc.assert(
      fc.property(share, share, (a, b) => {
        const at = (skip: number) => planOf('global-threshold', { skip }).values[10]!;
        expect(at(Math.min(a, b))).toBeLessThanOrEqual(at(Math.max(a, b)));
      }),
    );
  });

  it('asks more of the other branches where layers are protected', () => {
    const some = planOf('global-threshold', { skip: 0.3 }, { protectedLayers: [10, 11] });
    expect(some.rules.slice(20, 24)).toEqual(['keep', 'keep', 'keep', 'keep']);
    expect(some.values[30]).toBeGreaterThan(planOf('global-threshold', { skip: 0.3 }).values[30]!);
  });

  it('says how far it reaches where a budget is too low', () => {
    const reach = calibration.curve.at(-1)!;
    expect(() => planOf('global-threshold', { skip: 0.95 })).toThrow(UnreachableBudgetError);
    expect(() => planOf('global-threshold', { skip: 0.95 })).toThrow(`Ask for skip from 0 to ${Number(reach.skip.toPrecision(4))}.`);
    expect(() => planOf('global-threshold', { net: 0.02 })).toThrow(`Ask for net from ${Number(reach.net.toPrecision(4))} to 1.`);
    expect(() => planOf('global-threshold', { speedup: 50 })).toThrow(UnreachableBudgetError);
  });

  it('refuses a budget that the gates cost more than they can save', () => {
    const vector = { variant: 'vector', sharing: 'separate', position: 'before', multiplies: true } as const;
    const curve = [0, 0.05, 0.1].map((skip, i) => ({
      threshold: i / 10,
      skip,
      net: netFromSkips(shape, vector, { skipShares: new Array(branches).fill(skip), context: 512, kv: 'project' }),
    }));
    const { branchSkips: _, ...rest } = calibration;
    const context = { shape, gates: vector, calibration: { ...rest, curve } };
    expect(curve[2]!.net).toBeGreaterThan(1);
    expect(() => createPolicy('global-threshold', { ...context, budget: { net: 0.98 } })).toThrow(UnreachableBudgetError);
    expect(createPolicy('global-threshold', { ...context, budget: { skip: 0.1 } }).name).toBe('global-threshold');
  });

  it('refuses a damaged curve', () => {
    const broken = (curve: Calibration['curve']) => () =>
      planOf('global-threshold', { skip: 0.1 }, undefined, { calibration: { ...calibration, curve } });
    expect(broken([])).toThrow(/at least 2/);
    expect(broken([...calibration.curve].reverse())).toThrow(/ascend/);
    expect(broken(calibration.curve.map((knot) => ({ ...knot, net: Number.NaN })))).toThrow(/ascend/);
  });
});

const skipping = policies.map((policy) => policy.name).filter((name) => name !== 'static' && name !== 'dense');

describe.each(skipping)('%s', (name) => {
  it.each<Budget>([{ skip: 0 }, { net: 1 }, { speedup: 1 }])('skips nothing at %o', (budget) => {
    expect(planOf(name, budget).rules.every((rule) => rule === 'keep')).toBe(true);
  });

  it('takes every kind of budget, and refuses one out of reach with the range', () => {
    for (const budget of [{ skip: 0.3 }, { net: 0.75 }, { speedup: 1.2 }]) {
      const { rules, values } = planOf(name, budget);
      for (let branch = 0; branch < branches; branch++) {
        // Whole layers stay where one of their branches must.
        const partner = name === 'static-even' || name === 'static-influence' ? branch ^ 1 : branch;
        expect(rules[branch] === 'keep').toBe(protectedBranches.includes(branch) || protectedBranches.includes(partner));
      }
      expect(values.reduce((sum, value) => sum + value, 0)).toBeGreaterThan(1);
    }
    for (const budget of [{ skip: 0.97 }, { net: 0.03 }, { speedup: 40 }]) {
      expect(() => planOf(name, budget)).toThrow(UnreachableBudgetError);
      expect(() => planOf(name, budget)).toThrow(/Ask for (skip|net) from/);
    }
  });

  it('refuses unknown and malformed options by name', () => {
    for (const options of [
      { protect: [1] },
      { protectedLayers: [30] },
      { protectedLayers: 'all' },
      { pinnedTokens: -1 },
      { kv: 'none' },
      { interval: 0 },
      { contextTokens: 0.5 },
      { standIns: 'yes' },
    ]) {
      expect(() => planOf(name, { skip: 0.1 }, options)).toThrow(GateskipError);
      expect(() => planOf(name, { skip: 0.1 }, options)).toThrow(new RegExp(Object.keys(options)[0]!));
    }
  });
});

describe('uniform shares', () => {
  it.each(['branch-fraction', 'branch-quantile', 'random'])('%s spreads the whole budget over the free branches', (name) => {
    expect(planOf(name, { skip: 0.25 }).values[10]).toBeCloseTo((0.25 * branches) / free, 6);
    for (const kv of ['project', 'absent', 'alias'] as const) {
      const { values, rules } = planOf(name, { net: 0.8 }, { kv });
      const scored = rules.map((rule) => Number(rule !== 'keep'));
      const cost = name === 'random' ? undefined : gates;
      // Values are float32 (relative error 2^-24), and net moves by at most 1 per share.
      expect(Math.abs(netFromSkips(shape, cost, { skipShares: values, scored, context: 512, kv }) - 0.8)).toBeLessThanOrEqual(2 ** -22);
    }
  });

  it('calibrated shares follow the curve: random and global-fraction skip each branch as one threshold would', () => {
    const knot = 12;
    const { skip } = calibration.curve[knot]!;
    const shares = calibration.branchSkips![knot]!;
    const fraction = planOf('global-fraction', { skip });
    const random = planOf('random', { skip }, { shares: 'calibrated', seed: 3 });
    expect(random).toMatchObject({ scorer: 'random', seed: 3 });
    for (let branch = 0; branch < branches; branch++) {
      expect(fraction.values[branch]).toBeCloseTo(shares[branch]!, 6);
      expect(random.values[branch]).toBe(fraction.values[branch]);
    }
  });
});

it('random takes a share per branch, and its budget is what they amount to', () => {
  const shares = Array.from({ length: branches }, (_, branch) => (branch % 3) / 10);
  const policy = createPolicy('random', { shape, calibration, budget: { skip: 0.5 }, options: { shares } });
  expect(policy.open({ promptTokens: 0 }).plan(9, 1).values).toEqual(Float32Array.from(shares));
  expect('skip' in policy.budget && Math.abs(policy.budget.skip - 0.1)).toBeLessThan(2 ** -23);
  const wrong = (options: Record<string, unknown>) => () => createPolicy('random', { shape, budget: { skip: 0.5 }, options });
  expect(wrong({ shares: shares.slice(1) })).toThrow(/60 numbers in 0..1/);
  expect(wrong({ shares: shares.map(() => 2) })).toThrow(/0..1/);
  expect(wrong({ shares, protectedLayers: [7] })).toThrow(/both dropped and protected/);
});

it.each(skipping)('%s hands the option standIns on to its plans', (name) => {
  expect(planOf(name, { skip: 0.2 }).standIns).toBeUndefined();
  expect(planOf(name, { skip: 0.2 }, { standIns: false }).standIns).toBe(false);
});

describe('static', () => {
  const create = (options: Record<string, unknown>) => createPolicy('static', { shape, calibration, budget: { skip: 0.1 }, options });

  it('drops what it is told and says what that amounts to', () => {
    const policy = create({ layers: [10], branches: [31] });
    const { rules, values } = policy.open({ promptTokens: 3 }).plan(5, 1);
    expect(rules.flatMap((rule, branch) => (rule === 'repeat' ? [branch] : []))).toEqual([20, 21, 31]);
    expect(values.every((value) => value === 0)).toBe(true);
    expect(policy.budget).toEqual({ skip: 3 / branches });
  });

  it('refuses nothing to drop, indices outside the model, and what is protected by name', () => {
    expect(() => create({})).toThrow(/what to drop/);
    expect(() => create({ layers: [30] })).toThrow(/layers/);
    expect(() => create({ layers: [4], protectedLayers: [4] })).toThrow(/both dropped and protected/);
  });
});

describe('createPolicy', () => {
  it('names the known policies where the name is wrong', () => {
    expect(() => createPolicy('magic', { shape, budget: { skip: 0.1 } })).toThrow(UnknownPolicyError);
    expect(() => createPolicy('magic', { shape, budget: { skip: 0.1 } })).toThrow(/global-threshold, branch-threshold/);
  });

  it('says what a policy lacks', () => {
    expect(() => createPolicy('global-threshold', { shape, budget: { skip: 0.1 } })).toThrow(PolicyNeedsError);
    expect(() => createPolicy('branch-threshold', { shape, gates, budget: { skip: 0.1 } })).toThrow(/needs calibration/);
    expect(() => createPolicy('branch-fraction', { shape, gates: { ...gates, position: 'after' }, budget: { skip: 0.1 } })).toThrow(
      /too late/,
    );
    expect(() => createPolicy('random', { shape, budget: { skip: 0.1 }, options: { shares: 'calibrated' } })).toThrow(PolicyNeedsError);
    expect(() => createPolicy('static-kl', { shape, budget: { skip: 0.1 } })).toThrow(/gateskip profile/);
    expect(() => createPolicy('oracle', { shape, budget: { skip: 0.1 } }).open({ promptTokens: 1 })).toThrow(/texts that are known/);
    expect(() => planOf('oracle', { skip: 0.1 }, { pinnedTokens: 0 }).rules).not.toThrow();
  });

  it('refuses a profile of another model, or a damaged one', () => {
    const with_ = (other: Partial<BranchProfile>) => () =>
      createPolicy('static-kl', { shape, budget: { skip: 0.1 }, profile: { ...profile, ...other } });
    expect(with_({ removalKl: [1] })).toThrow(/another model/);
    expect(with_({ blockInfluence: profile.blockInfluence.map(() => Number.NaN) })).toThrow(/damaged/);
  });

  it('refuses a calibration of another model', () => {
    const other = { ...calibration, protectedBranches: [200] };
    expect(() => planOf('global-threshold', { skip: 0.1 }, undefined, { calibration: other })).toThrow(/another model/);
  });

  it('throws nothing but typed errors, whatever the options', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...policies.map((policy) => policy.name)),
        fc.dictionary(fc.constantFrom('kv', 'interval', 'layers', 'seed', 'window', 'pinnedTokens'), fc.anything()),
        (name, options) => {
          try {
            createPolicy(name, { shape, gates, calibration, profile, budget: { skip: 0.2 }, options });
          } catch (error) {
            expect(isGateskipError(error), String(error)).toBe(true);
          }
        },
      ),
    );
  });
});
