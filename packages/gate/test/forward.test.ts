import { createGateSet, gateForward, gateScores } from '@gateskip/gate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lively, numbers, specOf, sumOfAbsolutes, VARIANTS } from './support/gates.js';

describe.each(VARIANTS)('%s gate', (variant) => {
  const spec = specOf(variant);
  const d = 6;

  it('scores in (0, 1) with the mean of its output, the fast path alike', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 1e6 }), (rows, seed) => {
        const parameters = lively(spec, d, seed);
        const input = Float32Array.from(numbers(rows * d, seed + 1));
        const { output, score, width } = gateForward(spec, parameters, input, rows, d);
        expect(output.length).toBe(rows * width);
        expect([...gateScores(spec, parameters, input, rows, d)]).toEqual([...score]);
        for (let row = 0; row < rows; row++) {
          expect(score[row]).toBeGreaterThan(0);
          expect(score[row]).toBeLessThan(1);
          const mean = output.subarray(row * width, (row + 1) * width).reduce((sum, value) => sum + value, 0) / width;
          // Each output is rounded to float32 once (relative error 2^-24), and so is the score.
          expect(Math.abs(score[row]! - mean)).toBeLessThanOrEqual(2 ** -23);
        }
      }),
    );
  });

  it('rounds only once: float32 results lie within half a unit of the double precision ones', () => {
    const parameters = lively(spec, d, 8);
    const input = Float32Array.from(numbers(4 * d, 12));
    const single = gateForward(spec, parameters, input, 4, d);
    const double = gateForward(spec, parameters, Float64Array.from(input), 4, d);
    expect([...single.output]).toEqual([...double.output].map(Math.fround));
    expect([...single.score]).toEqual([...double.score].map(Math.fround));
  });

  it('does not depend on the other rows', () => {
    const parameters = lively(spec, d, 4);
    const input = Float32Array.from(numbers(3 * d, 6));
    const together = gateForward(spec, parameters, input, 3, d).score;
    for (let row = 0; row < 3; row++) {
      expect(gateScores(spec, parameters, input.slice(row * d, (row + 1) * d), 1, d)[0]).toBe(together[row]);
    }
  });

  it('saturates without NaN at the largest inputs', () => {
    const parameters = lively(spec, d, 3);
    for (const size of [1e4, 1e20, 3.4e38, -3.4e38]) {
      const { output, score } = gateForward(spec, parameters, new Float32Array(2 * d).fill(size), 2, d);
      for (const value of [...output, ...score]) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe('a new gate set', () => {
  it('starts open: biases at 5, small weights of the asked deviation', () => {
    const { gates } = createGateSet(specOf('vector'), { layers: 1, hiddenSize: 128 }, { seed: 1 });
    expect(gates[0]!.bias.every((value) => value === 5)).toBe(true);
    const { weight } = gates[0]!;
    const mean = weight.reduce((sum, value) => sum + value, 0) / weight.length;
    const deviation = Math.sqrt(weight.reduce((sum, value) => sum + (value - mean) ** 2, 0) / weight.length);
    // Five standard errors of the mean and of the deviation of n normal numbers.
    expect(Math.abs(mean)).toBeLessThan((5 * 0.01) / Math.sqrt(weight.length));
    expect(Math.abs(deviation - 0.01)).toBeLessThan((5 * 0.01) / Math.sqrt(2 * weight.length));
  });

  it('is the same for the same seed and another for another', () => {
    const make = (seed: number) => [...createGateSet(specOf('mlp'), { layers: 2, hiddenSize: 4 }, { seed }).gates[3]!.weight];
    expect(make(7)).toEqual(make(7));
    expect(make(7)).not.toEqual(make(8));
    expect(sumOfAbsolutes(make(7))).toBeGreaterThan(0);
  });
});
