import fc from 'fast-check';
import { expect, it } from 'vitest';
import { logSumExp } from '../src/scoring/log-softmax.js';

it('the log of a sum of exp is that of Math.exp', () => {
  fc.assert(
    fc.property(fc.array(fc.float({ min: -800, max: 800, noNaN: true }), { minLength: 1, maxLength: 50 }), (values) => {
      const logits = Float32Array.from([9, 9, ...values]);
      const most = Math.max(...values);
      const expected = most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
      const got = logSumExp(logits.subarray(2), 0, values.length);
      // A few roundings of terms between 0 and 1, then of the sum with the largest.
      expect(Math.abs(got - expected)).toBeLessThanOrEqual(8 * 2 ** -53 * (1 + Math.abs(most)));
    }),
  );
});

it('reads its own row, and does not hide what is no number', () => {
  const logits = Float32Array.from([5, 5, 0, Math.log(3)]);
  expect(Math.abs(logSumExp(logits, 1, 2) - Math.log(4))).toBeLessThan(2 ** -22);
  expect(logSumExp(Float32Array.of(1, Number.NEGATIVE_INFINITY), 0, 2)).toBe(1);
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) expect(logSumExp(Float32Array.of(1, bad, 0), 0, 3)).toBeNaN();
  expect(logSumExp(new Float32Array(4).fill(Number.NEGATIVE_INFINITY), 0, 4)).toBeNaN();
});
