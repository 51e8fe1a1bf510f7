import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { branchWeights } from '../src/fit/branch-weights.js';
import { addDivergence, denseRows, emptyDivergence } from '../src/fit/divergence.js';

const logits = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 7, maxLength: 7 });

describe('divergence', () => {
  it('is the Kullback-Leibler divergence of the softmaxes', () => {
    fc.assert(
      fc.property(logits, logits, (p, q) => {
        const sum = emptyDivergence();
        addDivergence(sum, denseRows(Float32Array.from(p), 7), Float32Array.from(q), Int32Array.of(2));
        const softmax = (values: readonly number[]): number[] => {
          const powers = values.map((value) => Math.exp(value));
          const total = powers.reduce((a, b) => a + b, 0);
          return powers.map((power) => power / total);
        };
        const [x, y] = [softmax(p), softmax(q)];
        const expected = x.reduce((total, share, token) => total + share * Math.log(share / (y[token] as number)), 0);
        // Dense log-probabilities, at most 42 in size, are kept in float32; terms below exp(-25) x 84 are left out.
        expect(Math.abs(sum.kl - expected)).toBeLessThan(42 * 2 ** -23 + 7 * Math.exp(-25) * 84);
        expect(sum.surprise).toBeCloseTo(-Math.log(y[2] as number), 9);
      }),
    );
  });

  it('of a model with itself is none', () => {
    const same = Float32Array.from({ length: 21 }, (_, at) => Math.cos(at) * 5);
    const sum = emptyDivergence();
    addDivergence(sum, denseRows(same, 7), same, new Int32Array(3).fill(-1));
    expect(sum).toMatchObject({ rows: 3, agreed: 3, followed: 0 });
    expect(sum.kl).toBeLessThan(3 * 7 * 2 ** -23);
  });
});

describe('weights', () => {
  it('of branches are damage over loss with geometric mean 1, bounded, 1 where unknown', () => {
    const weights = branchWeights(
      new Map([
        [0, 0.4],
        [1, 0.1],
        [2, 0],
      ]),
      [0.1, 0.1, 0.1, 0.1],
    );
    expect(weights[0]).toBeCloseTo(2, 12);
    expect(weights[1]).toBeCloseTo(0.5, 12);
    expect(weights.slice(2)).toEqual([1, 1]);
    expect(
      branchWeights(
        new Map([
          [0, 1e9],
          [1, 1e-9],
        ]),
        [1, 1],
      ),
    ).toEqual([8, 1 / 8]);
  });
});
