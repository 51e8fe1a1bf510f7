import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { quantileThreshold, randomScore, rankFraction, rankQuantile } from '@gateskip/gate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const count = (mask: Uint8Array) => mask.reduce((sum, value) => sum + value, 0);
const score = fc.oneof(fc.float({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0.25, 0.5, Number.NaN));
const rows = fc.array(fc.tuple(score, fc.boolean()), { maxLength: 40 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe('rankFraction', () => {
  it('skips exactly floor(value * unpinned), never more than the budget, never a pinned or NaN row, lowest first', () => {
    fc.assert(
      fc.property(rows, share, (input, value) => {
        const scores = input.map(([s]) => s);
        const pinned = input.map(([, p]) => Number(p));
        const skips = rankFraction(scores, pinned, value);
        const free = scores.map((_, row) => row).filter((row) => !pinned[row]);
        const real = free.filter((row) => !Number.isNaN(scores[row]!));
        expect(count(skips)).toBe(Math.min(Math.floor(value * free.length), real.length));
        for (const row of scores.keys()) if (pinned[row] || Number.isNaN(scores[row]!)) expect(skips[row]).toBe(0);
        for (const a of real) {
          for (const b of real) {
            if (skips[a] && !skips[b]) expect(scores[a]! < scores[b]! || (scores[a] === scores[b] && a < b)).toBe(true);
          }
        }
      }),
    );
  });

  it('does not care for the order of rows with distinct scores', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30, comparator: 'SameValueZero' }),
        share,
        (scores, value) => {
          const backwards = [...rankFraction([...scores].reverse(), undefined, value)].reverse();
          expect([...rankFraction(scores, undefined, value)]).toEqual(backwards);
        },
      ),
    );
  });
});

describe('quantileThreshold', () => {
  it('interpolates as numpy does', () => {
    // numpy.quantile([0.1, 0.4, 0.2, 0.9], [0, .25, .5, .9, 1]) = [0.1, 0.175, 0.3, 0.75, 0.9]
    const scores = [0.1, 0.4, 0.2, 0.9];
    expect([0, 0.25, 0.5, 0.9, 1].map((at) => quantileThreshold(scores, at))).toEqual([0.1, 0.175, 0.3, 0.75, 0.9].map(Math.fround));
  });

  it('is invariant to order, monotone in the share, and within the scores', () => {
    const finite = fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(finite, share, share, (scores, a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(quantileThreshold([...scores].reverse(), a)).toBe(quantileThreshold(scores, a));
        // Rounding the interpolation may lose a unit in the last place of float32.
        expect(quantileThreshold(scores, low)).toBeLessThanOrEqual(quantileThreshold(scores, high) + 2 ** -24);
        expect(quantileThreshold(scores, 0)).toBe(Math.min(...scores));
        expect(quantileThreshold(scores, 1)).toBe(Math.max(...scores));
      }),
    );
  });

  it('refuses no scores and shares outside 0..1', () => {
    expect(() => quantileThreshold([], 0.5)).toThrow(InvalidArgumentError);
    expect(() => quantileThreshold([1], 1.5)).toThrow(InvalidArgumentError);
  });
});

describe('rankQuantile', () => {
  it('skips the asked share up to one row and ties, keeps pinned and NaN rows, and nothing at share 0', () => {
    fc.assert(
      fc.property(rows, share, (input, value) => {
        const scores = input.map(([s]) => s);
        const pinned = input.map(([, p]) => Number(p));
        const skips = rankQuantile(scores, pinned, value);
        const free = scores.map((_, row) => row).filter((row) => !pinned[row]);
        for (const row of scores.keys()) if (pinned[row] || Number.isNaN(scores[row]!)) expect(skips[row]).toBe(0);
        if (value === 0 || free.length < 2) expect(count(skips)).toBe(0);
      }),
    );
  });

  it('skips one row more than the share of n - 1 distinct scores', () => {
    // Coarse numbers, so that rounding the threshold to float32 never reaches the next score.
    const distinct = fc.uniqueArray(fc.integer({ min: 0, max: 1023 }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(distinct, fc.integer({ min: 1, max: 32 }), (scores, thirtySeconds) => {
        const value = thirtySeconds / 32;
        const skips = rankQuantile(
          scores.map((s) => s / 1024),
          undefined,
          value,
        );
        expect(count(skips)).toBe(Math.floor(value * (scores.length - 1)) + 1);
      }),
    );
  });

  it('refuses flags that do not fit', () => {
    expect(() => rankQuantile([1, 2], [0], 0.5)).toThrow(ShapeMismatchError);
  });
});

it('random scores are uniform and pure', () => {
  const draws = Array.from({ length: 20_000 }, (_, i) => randomScore(7, i % 500, Math.floor(i / 500)));
  const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
  // Five standard errors of a uniform mean.
  expect(Math.abs(mean - 0.5)).toBeLessThan(5 / Math.sqrt(12 * draws.length));
  expect(randomScore(7, 3, 2)).toBe(randomScore(7, 3, 2));
  expect(draws.every((value) => value > 0 && value < 1 && Math.fround(value) === value)).toBe(true);
});
