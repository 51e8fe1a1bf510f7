import { describe, expect, it } from 'vitest';
import { packBlocks, stack } from '../onnx/block-weights.mjs';
import { block, float, integer, varint } from '../onnx/protobuf.mjs';

// Scales of one and a half only, so that half precision is written by hand.
const halves = new Map([
  [0x3c00, 1],
  [0x3800, 0.5],
]);
const halfToFloat = (/** @type {number} */ bits) => /** @type {number} */ (halves.get(bits));
const formats = {
  halfToFloat,
  dequantize: (/** @type {string} */ _, /** @type {Uint8Array} */ bytes) => new Float32Array(bytes.slice().buffer),
};

/** What MatMulNBits computes from its inputs. @param {ReturnType<typeof packBlocks>} packed */
function unpack({ bits, rows, columns, quantities, scales, zeros }) {
  const perRow = columns / 32;
  return Array.from({ length: rows * columns }, (_, i) => {
    const at = Math.floor(i / 32);
    const [row, inRow] = [Math.floor(i / columns), at % perRow];
    const quantity = bits === 8 ? quantities[i] : (quantities[i >> 1] >> (i % 2 === 0 ? 0 : 4)) & 15;
    let zero = bits === 8 ? 128 : 8;
    if (zeros) zero = bits === 8 ? zeros[at] : (zeros[row * Math.ceil(perRow / 2) + (inRow >> 1)] >> (inRow % 2 === 0 ? 0 : 4)) & 15;
    return scales[at] * (quantity - zero);
  });
}

describe('weights of MatMulNBits', () => {
  it('are those of Q4_0, to the bit', () => {
    // Two rows of one block: element j in the low nibble of byte j, j + 16 in the high one.
    const bytes = new Uint8Array(36);
    const expected = [];
    for (const [row, half] of [0x3c00, 0x3800].entries()) {
      new DataView(bytes.buffer).setUint16(18 * row, half, true);
      const quantities = Array.from({ length: 32 }, (_, i) => (i * 7 + row) % 16);
      for (let j = 0; j < 16; j++) bytes[18 * row + 2 + j] = quantities[j] | (quantities[j + 16] << 4);
      expected.push(...quantities.map((quantity) => halfToFloat(half) * (quantity - 8)));
    }
    const packed = packBlocks({ type: 'Q4_0', rows: 2, columns: 32 }, bytes, 4, formats);
    expect(packed.zeros).toBeUndefined();
    expect(unpack(packed)).toEqual(expected);
  });

  it('are those of Q8_0, to the bit', () => {
    const bytes = new Uint8Array(34);
    new DataView(bytes.buffer).setUint16(0, 0x3800, true);
    for (let i = 0; i < 32; i++) bytes[2 + i] = i * 8 - 127;
    const packed = packBlocks({ type: 'Q8_0', rows: 1, columns: 32 }, bytes, 8, formats);
    expect(unpack(packed)).toEqual(Array.from({ length: 32 }, (_, i) => 0.5 * (((i * 8 - 127 + 128) & 255) - 128)));
  });

  it.each(/** @type {const} */ ([4, 8]))('are rounded to %i bits where the format has no place there, by half a step at most', (bits) => {
    const [rows, columns] = [3, 96];
    const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 5)) + 0.3);
    const packed = packBlocks({ type: 'F32', rows, columns }, new Uint8Array(values.buffer), bits, formats);
    const back = unpack(packed);
    for (const [i, value] of values.entries()) {
      const step = packed.scales[Math.floor(i / 32)];
      // Half a step for the value; an end of the range may lose another half, since the offset is whole.
      expect(Math.abs(back[i] - value)).toBeLessThanOrEqual(step * (1 + 1e-5));
    }
    const mean = back.reduce((sum, x, i) => sum + Math.abs(x - values[i]), 0) / back.length;
    expect(mean).toBeLessThanOrEqual(Math.max(...packed.scales) / 2);
  });

  it('stack rows, and state offsets for all once one has them', () => {
    const plain = packBlocks({ type: 'Q4_0', rows: 1, columns: 32 }, new Uint8Array([0, 0x3c, ...new Array(16).fill(0x5a)]), 4, formats);
    const values = Float32Array.from({ length: 32 }, (_, i) => i / 10 - 1);
    const rounded = packBlocks({ type: 'F32', rows: 1, columns: 32 }, new Uint8Array(values.buffer), 4, formats);
    expect(stack([plain, plain]).zeros).toBeUndefined();
    const both = stack([plain, rounded]);
    expect(both.rows).toBe(2);
    expect(unpack(both)).toEqual([...unpack(plain), ...unpack(rounded)]);
  });

  it('refuse rows that are no whole blocks', () => {
    expect(() => packBlocks({ type: 'F32', rows: 1, columns: 40 }, new Uint8Array(160), 4, formats)).toThrow(/40 columns/);
  });
});

describe('protocol buffers', () => {
  it('are written as their specification shows', () => {
    expect([...varint(300)]).toEqual([0xac, 0x02]);
    expect([...varint(-1)]).toEqual([...new Array(9).fill(0xff), 0x01]);
    expect([...integer(1, 150)]).toEqual([0x08, 0x96, 0x01]);
    expect([...block(2, 'testing')]).toEqual([0x12, 0x07, ...Buffer.from('testing')]);
    expect([...block(3, [integer(1, 150)])]).toEqual([0x1a, 0x03, 0x08, 0x96, 0x01]);
    expect([...float(4, 1)]).toEqual([0x25, 0, 0, 0x80, 0x3f]);
  });
});
