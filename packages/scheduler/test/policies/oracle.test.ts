import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { expect, it } from 'vitest';
import { createPolicy, UnreachableBudgetError } from '../../src/index.js';
import { savedMacs } from '../../src/saved-macs.js';
import { branches, shape, simulateScores, transposed } from '../support/simulation.js';

const tokens = 50;
const scores = transposed(simulateScores(4, tokens, { common: 0.7, correlation: 0.8, drift: 0, offset: 0 }));
const options = { protectedBranches: [0, 1], pinnedTokens: 2 };
const open = (given: Float32Array) =>
  createPolicy('oracle', { shape, budget: { net: 0.8 }, options }).open({ promptTokens: 0, scores: given });

it('skips what loses least per MAC saved', () => {
  const plan = open(scores).plan(0, tokens);
  expect(plan.rules.slice(0, 3)).toEqual(['keep', 'keep', 'threshold']);
  let dearestSkipped = 0;
  let cheapestKept = Number.POSITIVE_INFINITY;
  for (let branch = 2; branch < branches; branch++) {
    for (let token = 2; token < tokens; token++) {
      const price = scores[branch * tokens + token]! / savedMacs(shape, branch, token + 1, 'project');
      if (plan.scores![branch * tokens + token] === 0) dearestSkipped = Math.max(dearestSkipped, price);
      else cheapestKept = Math.min(cheapestKept, price);
    }
  }
  expect(dearestSkipped).toBeGreaterThan(0);
  expect(dearestSkipped).toBeLessThanOrEqual(cheapestKept);
  expect([...plan.pinned!.subarray(0, 4)]).toEqual([1, 1, 0, 0]);
});

it('never skips what is not a number, knows one text only, and says where that is too little', () => {
  const holes = scores.map((score, at) => (at % 7 === 0 ? Number.NaN : score));
  const plan = open(holes).plan(0, tokens);
  expect(holes.every((score, at) => !Number.isNaN(score) || plan.scores![at] === 1)).toBe(true);
  expect(() => open(scores).plan(tokens - 1, 2)).toThrow(InvalidArgumentError);
  expect(() => open(scores.slice(1))).toThrow(ShapeMismatchError);
  expect(() => open(scores.map(() => Number.NaN))).toThrow(UnreachableBudgetError);
});
