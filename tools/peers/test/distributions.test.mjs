import { expect, it } from 'vitest';
import { argmax, klDivergence, logSumExp } from '../distributions.mjs';

it('compares distributions by their logits, whatever is added to them', () => {
  const p = Float32Array.from([0, Math.log(2), 1000], (x) => x - 3);
  expect(argmax([1, 3, 3, 2])).toBe(1);
  expect(logSumExp([Math.log(1), Math.log(2), Math.log(5)])).toBeCloseTo(Math.log(8), 14);
  expect(logSumExp([1000, 1000])).toBeCloseTo(1000 + Math.log(2), 10);
  expect(klDivergence(p, p)).toBe(0);
  // Halves against a quarter and three quarters: ln 2 - ln 3 / 2.
  expect(klDivergence([7, 7], [Math.log(1), Math.log(3)])).toBeCloseTo(Math.log(2) - Math.log(3) / 2, 14);
});
