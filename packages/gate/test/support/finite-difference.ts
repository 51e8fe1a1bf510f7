import { expect } from 'vitest';

/**
 * Holds an analytic gradient to central differences in double precision. The tolerance follows from both errors of the
 * difference: truncation, estimated from two step sizes (it shrinks fourfold), and rounding, `operations * eps * scale / h`.
 *
 * @param scale a bound of the sum of absolute terms in the loss
 */
export function expectGradient(name: string, loss: () => number, variable: Float64Array, gradient: ArrayLike<number>, scale: number): void {
  const h = 2e-4;
  const rounding = (256 * Number.EPSILON * scale) / h;
  const derivative = (index: number, step: number): number => {
    const start = variable[index]!;
    variable[index] = start + step;
    const up = loss();
    variable[index] = start - step;
    const down = loss();
    variable[index] = start;
    return (up - down) / (2 * step);
  };
  expect(gradient.length, name).toBe(variable.length);
  let worst = { index: -1, excess: 0, analytic: 0, numeric: 0, tolerance: 0 };
  for (let index = 0; index < variable.length; index++) {
    const coarse = derivative(index, h);
    const numeric = derivative(index, h / 2);
    const tolerance = Math.abs(coarse - numeric) + rounding;
    const excess = Math.abs(numeric - gradient[index]!) / tolerance;
    if (!(excess <= worst.excess)) worst = { index, excess, analytic: gradient[index]!, numeric, tolerance };
  }
  expect(worst.excess, `${name}: worst element ${JSON.stringify(worst)}`).toBeLessThanOrEqual(1);
}
