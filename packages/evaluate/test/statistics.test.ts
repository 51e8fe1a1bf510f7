import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pairedBootstrap } from '../src/index.js';
import { sampleIndices } from '../src/items/random.js';
import { highest, scoreChoice } from '../src/metrics/score-choice.js';
import { blockBootstrap } from '../src/statistics/bootstrap.js';
import { mean, spreadOf, standardError } from '../src/statistics/mean.js';
import { compareRow } from '../src/text/agreement-windows.js';
import { sideBySide, slidingWindows } from '../src/text/windows.js';

it('standard errors are those of the book', () => {
  // Deviation of 1, 2, 3, 4 with n - 1: sqrt(5/3); over sqrt(4).
  expect(standardError([1, 2, 3, 4])).toBeCloseTo(Math.sqrt(5 / 3) / 2, 14);
  expect(standardError([5])).toBe(0);
  expect(spreadOf([3, 1, 2, 10])).toEqual({ median: 2.5, low: 1, high: 10 });
});

describe('bootstrap', () => {
  const a = Array.from({ length: 80 }, (_, index) => ((index * 7) % 5 < 3 ? 1 : 0));
  const b = Array.from({ length: 80 }, (_, index) => ((index * 11) % 3 < 1 ? 1 : 0));

  it('gives the same for the same seed, and another for another', () => {
    expect(pairedBootstrap(a, b, mean, 1)).toEqual(pairedBootstrap(a, b, mean, 1));
    expect(pairedBootstrap(a, b, mean, 1)).not.toEqual(pairedBootstrap(a, b, mean, 2));
  });

  it('has the error that theory gives for a mean difference', () => {
    const { difference, low, high, standardError: error } = pairedBootstrap(a, b, mean, 3);
    expect(difference).toBe(mean(a) - mean(b));
    const theory = standardError(a.map((value, index) => value - (b[index] as number)));
    // The deviation of 2000 draws is off by 1/sqrt(4000) of itself; four of those, and (n-1)/n.
    expect(Math.abs(error / theory - 1)).toBeLessThan(4 / Math.sqrt(4000) + 1 / 80);
    expect(low).toBeLessThan(difference);
    expect(high).toBeGreaterThan(difference);
  });

  it('has no doubt about a difference that every pair has', () => {
    const shifted = pairedBootstrap(
      a.map((value) => value + 2),
      a,
      mean,
      1,
    );
    expect([shifted.low, shifted.high].map((value) => Math.round(1e9 * value) / 1e9)).toEqual([2, 2]);
    expect(blockBootstrap([4, 4, 4], mean, 1)).toBe(0);
    expect(blockBootstrap([4], mean, 1)).toBe(0);
  });
});

it('samples are seeded, ascending and without repeats', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.nat(200), fc.nat(), (length, count, seed) => {
      const chosen = sampleIndices(length, count, seed);
      expect(chosen).toEqual([...new Set(chosen)].sort((x, y) => x - y));
      expect(chosen).toHaveLength(Math.min(length, count));
      expect(chosen).toEqual(sampleIndices(length, count, seed));
      expect(chosen.every((index) => index < length)).toBe(true);
    }),
  );
});

it('choices are compared raw and per byte, ties go to the first', () => {
  expect(scoreChoice([-10, -12, -11], [10, 24, 11])).toEqual({ choice: 0, choiceNorm: 1 });
  expect(highest([-1, -1, -2])).toBe(0);
});

describe('windows', () => {
  it('score every token but the first once, with as much before it as was promised', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.integer({ min: 2, max: 64 }), fc.nat(), (length, window, draw) => {
        const stride = 1 + (draw % (window - 1));
        const tokens = Int32Array.from({ length }, (_, index) => index);
        const scored: number[] = [];
        for (const { tokens: own, scoredFrom, start } of slidingWindows(tokens, window, stride)) {
          expect(own.length).toBeLessThanOrEqual(window);
          expect(own[scoredFrom]).toBe(start);
          const before = scoredFrom;
          expect(before).toBeGreaterThanOrEqual(start === 1 ? 1 : Math.min(start, window - stride));
          scored.push(...own.subarray(scoredFrom));
        }
        expect(scored).toEqual(Array.from(tokens.subarray(1)));
      }),
    );
  });

  it('side by side hold every token once', () => {
    expect(sideBySide(Int32Array.of(1, 2, 3, 4, 5), 2).map(({ tokens }) => Array.from(tokens))).toEqual([[1, 2], [3, 4], [5]]);
  });

  it('refuse a stride that leaves no context', () => {
    expect(() => slidingWindows(new Int32Array(9), 4, 4)).toThrow(/stride/);
    expect(() => slidingWindows(new Int32Array(9), 1, 1)).toThrow(/window/);
  });
});

it('KL and ranks are those of the definition', () => {
  const logits = Float32Array.from([0, Math.log(3), 0, 0, 0, 0]);
  // (1/5, 3/5, 1/5) against even thirds.
  const { kl, rank } = compareRow(logits, 0, 1, 3);
  const expected = 0.6 * Math.log(0.6 * 3) + 0.4 * Math.log(0.2 * 3);
  expect(Math.abs(kl - expected)).toBeLessThan(2 ** -22);
  // Token 1 shares its place with 0, which comes first.
  expect(rank).toBe(1);
  expect(compareRow(logits, 0, 0, 3)).toEqual({ kl: 0, rank: 0 });
});
