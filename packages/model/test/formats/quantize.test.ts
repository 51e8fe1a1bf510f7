import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dequantize, halfToFloat, quantize, type TensorType, typeInfo } from '../../src/index.js';

const values = fc
  .array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 64, maxLength: 64 })
  .map((list) => Float32Array.from(list));

describe('block layouts', () => {
  it('reads Q4_0 by hand: low nibbles first, then high ones', () => {
    const bytes = new Uint8Array(18);
    new DataView(bytes.buffer).setUint16(0, 0x3800, true); // 0.5
    bytes[2] = 0xf1;
    bytes[17] = 0x0a;
    const out = dequantize('Q4_0', bytes, 32);
    expect([out[0], out[16], out[15], out[31], out[1]]).toEqual([-3.5, 3.5, 1, -4, -4]);
  });

  it('reads Q4_1 and Q8_0 by hand', () => {
    const one = new Uint8Array(20);
    new DataView(one.buffer).setUint16(0, 0x3800, true);
    new DataView(one.buffer).setUint16(2, 0xbc00, true); // -1
    one[4] = 0xf2;
    expect([...dequantize('Q4_1', one, 32)].filter((_, i) => i % 16 < 2)).toEqual([0, -1, 6.5, -1]);
    const eight = new Uint8Array(34);
    new DataView(eight.buffer).setUint16(0, 0x3800, true);
    eight[2] = 0x80;
    eight[33] = 0x7f;
    const out = dequantize('Q8_0', eight, 32);
    expect([out[0], out[1], out[31]]).toEqual([-64, 0, 63.5]);
  });
});

describe('quantize', () => {
  it.each<TensorType>(['F32', 'F16', 'BF16'])('%s is the nearest value', (type) => {
    const relative = { F32: 0, F16: 2 ** -11, BF16: 2 ** -8 }[type as 'F32' | 'F16' | 'BF16'];
    const subnormalHalfStep = { F32: 0, F16: 2 ** -25, BF16: 2 ** -134 }[type as 'F32' | 'F16' | 'BF16'];
    fc.assert(
      fc.property(values, (list) => {
        const out = dequantize(type, quantize(type, list), list.length);
        return list.every((value, i) => Math.abs(out[i]! - value) <= relative * Math.abs(value) + subnormalHalfStep);
      }),
    );
  });

  it.each<TensorType>(['Q4_0', 'Q4_1', 'Q8_0'])('%s is within one half step, the ends within one, and stable', (type) => {
    fc.assert(
      fc.property(values, (list) => {
        const bytes = quantize(type, list);
        const out = dequantize(type, bytes, list.length);
        const { blockBytes } = typeInfo(type);
        for (let i = 0; i < list.length; i++) {
          const base = Math.floor(i / 32) * blockBytes;
          const scale = Math.abs(halfToFloat(bytes[base]! | (bytes[base + 1]! << 8)));
          // Q4_0 has no code for +8 steps, and a scale or minimum rounded to binary16 moves the ends by up to 2^-11 of the largest value.
          const bound = (type === 'Q4_0' ? 1 : 0.5) * scale + 100 * 2 ** -10 + 2 ** -20;
          if (Math.abs(out[i]! - list[i]!) > bound) return false;
        }
        return true;
      }),
    );
  });

  it('keeps zero blocks zero and refuses what has no scale', () => {
    for (const type of ['Q4_0', 'Q4_1', 'Q8_0'] as const) {
      expect(dequantize(type, quantize(type, new Float32Array(32)), 32).every((value) => value === 0)).toBe(true);
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 3e38]) {
        const list = new Float32Array(32).fill(1);
        list[7] = bad;
        expect(() => quantize(type, list)).toThrow(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
      }
    }
  });

  it('refuses partial blocks and short bytes', () => {
    expect(() => quantize('Q8_0', new Float32Array(31))).toThrow(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
    expect(() => dequantize('Q8_0', new Uint8Array(33), 32)).toThrow(expect.objectContaining({ code: 'GS_SHAPE_MISMATCH' }));
    expect(() => dequantize('F32', new Uint8Array(8), -2)).toThrow(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
  });
});
