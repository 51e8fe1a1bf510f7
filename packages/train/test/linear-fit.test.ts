import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitLinear } from '../src/fit/linear-fit.js';
import { Pacer } from '../src/progress.js';

const pacer = new Pacer('test');

describe('fitLinear', () => {
  it('finds an exact linear relation, whatever the scales and means of the columns', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 2 ** 30 }), async (size, seed) => {
        const random = source(seed);
        const rows = 10 * size + 7;
        const scales = Array.from({ length: size }, () => 10 ** (4 * random() - 2));
        const inputs = Float32Array.from({ length: rows * size }, (_, at) => (scales[at % size] as number) * (random() - 0.2));
        const truth = Float64Array.from({ length: size }, (_, j) => (random() - 0.5) / (scales[j] as number));
        const targets = Float64Array.from(
          { length: rows },
          (_, row) => 3 + truth.reduce((sum, w, j) => sum + w * (inputs[row * size + j] as number), 0),
        );
        const fit = await fitLinear(inputs, targets, rows - 5, size, 4 * size + 8, pacer);
        // Stops once the held-out error falls by less than a thousandth within a few iterations, so nearly exact.
        expect(fit.heldOutR2).toBeGreaterThan(1 - 1e-4);
      }),
      { numRuns: 40 },
    );
  });

  it('agrees with the normal equations where all iterations run', async () => {
    const random = source(3);
    const [rows, size] = [60, 2];
    const inputs = Float32Array.from({ length: rows * size }, () => random());
    const targets = Float64Array.from(
      { length: rows },
      (_, row) => 0.1 * random() + (inputs[row * size] as number) - 2 * (inputs[row * size + 1] as number),
    );
    const fit = await fitLinear(inputs, targets, rows, size, 10, pacer);
    // The residual of least squares is orthogonal to every column and to 1.
    const residual = targets.map(
      (y, row) =>
        y -
        fit.bias -
        (fit.weight[0] as number) * (inputs[2 * row] as number) -
        (fit.weight[1] as number) * (inputs[2 * row + 1] as number),
    );
    const tolerance = rows * 2 ** -40;
    expect(Math.abs(residual.reduce((sum, r) => sum + r, 0))).toBeLessThan(tolerance);
    for (const j of [0, 1])
      expect(Math.abs(residual.reduce((sum, r, row) => sum + r * (inputs[2 * row + j] as number), 0))).toBeLessThan(tolerance);
  });

  it('is the ridge regression of columns at their own scales where a ridge is asked for', async () => {
    const random = source(5);
    const [rows, size, ridgeRows] = [90, 3, 40];
    const inputs = Float32Array.from({ length: rows * size }, (_, at) => [1, 5, 0.2][at % size]! * random());
    const targets = Float64Array.from({ length: rows }, (_, row) => 2 + inputs[row * size]! - 0.3 * inputs[row * size + 1]! + random());
    const fit = await fitLinear(inputs, targets, rows, size, 50, pacer, ridgeRows);
    const mean = (of: (row: number) => number) => Array.from({ length: rows }, (_, row) => of(row)).reduce((sum, v) => sum + v / rows, 0);
    const means = [0, 1, 2].map((j) => mean((row) => inputs[row * size + j]!));
    const variance = means.reduce((sum, m, j) => sum + mean((row) => (inputs[row * size + j]! - m) ** 2) / size, 0);
    const residual = targets.map((y, row) => y - fit.bias - fit.weight.reduce((sum, w, j) => sum + w * inputs[row * size + j]!, 0));
    // The slope of ½|y - Xw - b|² + ½ ridge |w|² is 0, but for the last iterations, which gain less than a thousandth.
    for (const j of [0, 1, 2]) {
      const slope = residual.reduce((sum, r, row) => sum + r * (inputs[row * size + j]! - means[j]!), 0);
      expect(slope / (ridgeRows * variance * fit.weight[j]!)).toBeCloseTo(1, 1);
    }
  });

  it('ignores constant columns and gives the mean where nothing helps', async () => {
    const inputs = new Float32Array(40 * 3).fill(2.5);
    const targets = Float64Array.from({ length: 40 }, (_, row) => row % 2);
    const fit = await fitLinear(inputs, targets, 40, 3, 10, pacer);
    expect(Array.from(fit.weight)).toEqual([0, 0, 0]);
    expect(fit.bias).toBeCloseTo(0.5, 12);
  });

  it('does not learn noise: held-out rows choose the number of iterations', async () => {
    const random = source(8);
    const [rows, size] = [80, 40];
    const inputs = Float32Array.from({ length: rows * size }, () => random() - 0.5);
    const targets = Float64Array.from({ length: rows }, () => random());
    const fit = await fitLinear(inputs, targets, 60, size, 200, pacer);
    expect(fit.iterations).toBeLessThan(20);
  });
});

function source(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
