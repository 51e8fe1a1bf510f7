import { randomScore } from '@gateskip/gate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankCorrelation } from '../src/fit/rank-correlation.js';
import { fitRidgeRow } from '../src/fit/ridge-fit.js';
import { Pacer } from '../src/progress.js';

const pacer = new Pacer('test');

interface Made {
  readonly inputs: Float32Array;
  readonly targets: Float64Array;
  readonly rows: number;
}

/** y = 3 + w·x + noise, columns of very different means and sizes, the last one constant. */
function made(size: number, rows: number, seed: number, noise: number): Made {
  const scale = (j: number): number => 10 ** (4 * randomScore(seed, j, 1) - 2);
  const inputs = Float32Array.from({ length: rows * size }, (_, at) =>
    at % size === size - 1 ? 7 : scale(at % size) * (randomScore(seed, at, 2) - 0.2),
  );
  const targets = Float64Array.from({ length: rows }, (_, row) => {
    let sum = 3 + noise * (randomScore(seed, row, 3) - 0.5);
    for (let j = 0; j < size; j++) sum += ((randomScore(seed, j, 4) - 0.5) / scale(j)) * inputs[row * size + j]!;
    return sum;
  });
  return { inputs, targets, rows };
}

const predict = (inputs: Float32Array, row: number, weight: Float64Array, bias: number): number =>
  weight.reduce((sum, w, j) => sum + w * inputs[row * weight.length + j]!, bias);

describe('fitRidgeRow', () => {
  it('finds a linear relation, whatever the scales and means of the columns, a constant one included', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 1, max: 2 ** 30 }), async (size, seed) => {
        const { inputs, targets, rows } = made(size, 20 * size + 7, seed, 0);
        const { weight, bias } = await fitRidgeRow(inputs, targets, rows - 5, size, pacer);
        const mean = targets.reduce((sum, y) => sum + y, 0) / rows;
        let error = 0;
        let variance = 0;
        for (let row = rows - 5; row < rows; row++) error += (predict(inputs, row, weight, bias) - targets[row]!) ** 2 / 5;
        for (const y of targets) variance += (y - mean) ** 2 / rows;
        // The least ridge counts a tenth of a row beside 20 a column: it shrinks by less than 1/200, errors are squares of that.
        expect(error).toBeLessThan(1e-3 * variance);
      }),
      { numRuns: 40 },
    );
  });

  it('shrinks more where there is more noise than rows can tell apart', async () => {
    const lengthOf = async (noise: number): Promise<number> => {
      const { inputs, targets, rows } = made(24, 60, 5, 0);
      const noisy = targets.map((y, row) => (noise > 0 ? noise * (randomScore(9, row, 0) - 0.5) : y));
      const { weight, bias } = await fitRidgeRow(inputs, noisy, rows, 24, pacer);
      const spread = (values: readonly number[] | Float64Array): number => Math.max(...values) - Math.min(...values);
      return spread(Array.from({ length: rows }, (_, row) => predict(inputs, row, weight, bias))) / spread(noisy);
    };
    expect(await lengthOf(1)).toBeLessThan(0.7);
    expect(await lengthOf(0)).toBeGreaterThan(0.9);
  });

  it('never looks at rows behind those that it fits', async () => {
    const { inputs, targets, rows } = made(6, 80, 3, 0.1);
    const first = await fitRidgeRow(inputs, targets, rows - 20, 6, pacer);
    const second = await fitRidgeRow(inputs.slice().fill(1e6, (rows - 20) * 6), targets.slice().fill(-1e6, rows - 20), rows - 20, 6, pacer);
    expect(second).toEqual(first);
  });
});

describe('rankCorrelation', () => {
  it('is 1 along any rising map, -1 along a falling one, and halves ties', () => {
    const a = Float64Array.of(3, 1, 2, 5);
    expect(
      rankCorrelation(
        a,
        a.map((value) => Math.exp(value)),
      ),
    ).toBeCloseTo(1, 12);
    expect(
      rankCorrelation(
        a,
        a.map((value) => -value),
      ),
    ).toBeCloseTo(-1, 12);
    // Ranks 0, 1.5, 1.5, 3 and 0, 1, 2, 3: 4.5 / sqrt(4.5 · 5).
    expect(rankCorrelation(Float64Array.of(1, 2, 2, 3), Float64Array.of(1, 2, 3, 4))).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
    expect(rankCorrelation(a, new Float64Array(4))).toBeNaN();
  });
});
