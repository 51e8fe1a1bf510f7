import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloatToFloat, floatToBfloat, floatToHalf, halfToFloat } from '../../src/index.js';

describe('binary16', () => {
  it('round-trips every bit pattern', () => {
    for (let half = 0; half < 65536; half++) {
      const value = halfToFloat(half);
      if (Number.isNaN(value)) expect(Number.isNaN(halfToFloat(floatToHalf(value)))).toBe(true);
      else if (floatToHalf(value) !== half) throw new Error(`${half} became ${floatToHalf(value)}`);
    }
  });

  it('rounds to the nearest, ties to even', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7bfe }), (half) => {
        const low = halfToFloat(half);
        const high = halfToFloat(half + 1);
        const middle = (low + high) / 2; // exact in float32: one bit more than a half has
        const step = (high - low) / 16;
        return (
          floatToHalf(middle) === (half & 1 ? half + 1 : half) &&
          floatToHalf(middle - step) === half &&
          floatToHalf(middle + step) === half + 1 &&
          floatToHalf(-middle) === (0x8000 | (half & 1 ? half + 1 : half))
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('overflows to infinity at 65520 and keeps NaN', () => {
    expect(floatToHalf(65519.996)).toBe(0x7bff);
    expect(floatToHalf(65520)).toBe(0x7c00);
    expect(floatToHalf(Number.NEGATIVE_INFINITY)).toBe(0xfc00);
    expect(halfToFloat(floatToHalf(Number.NaN))).toBeNaN();
    expect(Object.is(halfToFloat(floatToHalf(-0)), -0)).toBe(true);
  });
});

describe('bfloat16', () => {
  it('round-trips every bit pattern and breaks ties to even', () => {
    for (let bfloat = 0; bfloat < 65536; bfloat++) {
      const value = bfloatToFloat(bfloat);
      if (!Number.isNaN(value) && floatToBfloat(value) !== bfloat) throw new Error(`${bfloat} became ${floatToBfloat(value)}`);
    }
    expect(floatToBfloat(1 + 2 ** -8)).toBe(0x3f80);
    expect(floatToBfloat(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(bfloatToFloat(floatToBfloat(Number.NaN))).toBeNaN();
  });
});
