import { describe, expect, it } from 'vitest';
import { drawBudget } from '../../src/run/budget-draw.js';
import { trainingCurveSvg } from '../../src/run/curve-svg.js';
import { klAt } from '../../src/run/held-out-curve.js';
import { randomShare } from '../../src/run/random-share.js';
import { RunClock } from '../../src/run/run-clock.js';
import { ScoreHistogram } from '../../src/run/score-histogram.js';
import { isStale, rateShare } from '../../src/run/training-loop.js';
import { smallRecipe } from './small-run.js';

const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));
const curveOf = (kls: readonly number[], step = 0) => ({
  step,
  tokens: step,
  points: kls.map((kl, i) => ({ asked: i / 10, value: i / 10, netSaved: i / 10, skipShare: i / 10, kl, agreement: 1 - kl })),
});

describe('score histogram', () => {
  it('gives the threshold below which a share of the MACs lies, within a bin', () => {
    const histogram = new ScoreHistogram();
    // Weights 1 and 3 alternate over logits -5..5; a quarter of the dense MACs can be saved at all.
    const scores = Array.from({ length: 2000 }, (_, i) => ({ logit: -5 + i / 200, macs: i % 2 === 0 ? 1 : 3 }));
    for (const { logit, macs } of scores) histogram.add(sigmoid(logit), macs);
    histogram.denseMacs = 4 * 4000;
    for (const share of [0.01, 0.05, 0.125, 0.2, 0.249]) {
      const threshold = histogram.threshold(share);
      const saved = scores.filter(({ logit }) => sigmoid(logit) <= threshold).reduce((sum, { macs }) => sum + macs, 0);
      // A bin is 1/128 wide and holds up to two scores of both kinds here.
      expect(Math.abs(saved / histogram.denseMacs - share)).toBeLessThanOrEqual(8 / histogram.denseMacs);
    }
    expect(histogram.threshold(0)).toBe(0);
    expect(histogram.threshold(0.9)).toBeGreaterThan(sigmoid(5));
  });

  it('forgets, and does not count what is not a number', () => {
    const histogram = new ScoreHistogram();
    histogram.add(0.5, 10);
    histogram.decay(0.5);
    histogram.add(Number.NaN, 100);
    histogram.add(0, 1);
    expect(histogram.bins.reduce((sum, value) => sum + value, 0)).toBe(6);
  });
});

describe('budgets', () => {
  const skip = smallRecipe('minutes').skip;

  it('stay under a highest one that rises, and are the same for the same step', () => {
    for (let update = 0; update < 200; update++) {
      const progress = update / 200;
      const budget = drawBudget(skip, 1, progress, update, 0);
      expect(budget).toBeGreaterThanOrEqual(skip.low);
      expect(budget).toBeLessThanOrEqual(skip.start + (skip.high - skip.start) * Math.min(1, progress / skip.rampShare) + 1e-12);
      expect(drawBudget(skip, 1, progress, update, 0)).toBe(budget);
    }
  });

  it('are spread evenly', () => {
    const draws = Array.from({ length: 4000 }, (_, update) => randomShare(1, update, update % 3));
    const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
    // Five standard errors of a mean of 4000 uniform numbers.
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / 4000));
    expect(new Set(draws).size).toBeGreaterThan(3990);
  });
});

describe('schedules', () => {
  it('rise and fall by progress', () => {
    const optimizer = smallRecipe('minutes').optimizer;
    expect(rateShare(optimizer, 0)).toBeLessThan(0.001);
    expect(rateShare(optimizer, optimizer.warmupShare)).toBeCloseTo(1, 3);
    expect(rateShare(optimizer, 1)).toBeCloseTo(optimizer.floor, 3);
  });

  it('count tokens, or share out the time that is left', () => {
    expect(new RunClock(1000, undefined).share(0.5, 10)).toBe(0.01);
    const clock = new RunClock(1e9, performance.now() + 10_000);
    clock.took(1000);
    expect(clock.share(0.5, 10)).toBeCloseTo(0.05, 2);
    expect(clock.isOver).toBe(false);
    expect(new RunClock(1e9, performance.now() - 1).isOver).toBe(true);
  });
});

describe('curves', () => {
  it('are read between their points', () => {
    const curve = curveOf([0, 0.2, 0.6]);
    expect(klAt(curve, 0.15)).toBeCloseTo(0.4, 12);
    expect(klAt(curve, 0.5)).toBeUndefined();
  });

  it('are stale when the last looks are no better', () => {
    expect(isStale([curveOf([3]), curveOf([2]), curveOf([2.5]), curveOf([2])], 2)).toBe(true);
    expect(isStale([curveOf([3]), curveOf([2]), curveOf([2.5]), curveOf([1.9])], 2)).toBe(false);
    expect(isStale([curveOf([1]), curveOf([2]), curveOf([3])], 0)).toBe(false);
  });

  it('are drawn, also a single look and a hostile name', () => {
    const svg = trainingCurveSvg([curveOf([0, 0.5])], '<script>\u0007');
    expect(svg).toContain('&lt;script&gt;');
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(svg).not.toContain('\u0007');
    expect(trainingCurveSvg([], '')).toMatch(/^<svg/);
  });
});
