import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tensorTypes } from '../gguf-writer.mjs';
import { fillBlocks, halfBits, Random } from '../random-blocks.mjs';
import { writeRandomGguf } from '../random-gguf.mjs';
import { shapes } from '../shapes.mjs';

const folder = mkdtempSync(join(tmpdir(), 'random-gguf-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const halfToFloat = (/** @type {number} */ bits) => {
  const exponent = (bits >> 10) & 31;
  const magnitude = exponent === 0 ? (bits & 1023) * 2 ** -24 : 2 ** (exponent - 15) * (1 + (bits & 1023) / 1024);
  return bits & 0x8000 ? -magnitude : magnitude;
};

/** @param {Uint8Array} bytes @param {'Q4_0' | 'Q8_0'} type */
function weightsOf(bytes, type) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const weights = [];
  for (let at = 0; at < bytes.length; at += tensorTypes[type].bytes(32)) {
    const scale = halfToFloat(view.getUint16(at, true));
    if (type === 'Q8_0') for (let i = 0; i < 32; i++) weights.push(scale * view.getInt8(at + 2 + i));
    else
      for (let i = 0; i < 16; i++)
        for (const nibble of [bytes[at + 2 + i] & 15, bytes[at + 2 + i] >> 4]) weights.push(scale * (nibble - 8));
  }
  return weights;
}

describe('random blocks', () => {
  it.each(/** @type {const} */ (['Q4_0', 'Q8_0']))('%s have no mean and the deviation that was asked for', (type) => {
    const blocks = 4096;
    const bytes = new Uint8Array(tensorTypes[type].bytes(32 * blocks));
    fillBlocks(bytes, type, 0.02, new Random(7));
    const weights = weightsOf(bytes, type);
    const mean = weights.reduce((sum, x) => sum + x, 0) / weights.length;
    const deviation = Math.sqrt(weights.reduce((sum, x) => sum + x * x, 0) / weights.length);
    // A block's 32 weights share a sign, so its mean of half a quantum counts once a block; five deviations of the mean of means.
    expect(Math.abs(mean)).toBeLessThan((5 * 0.02) / Math.sqrt(blocks));
    // Low mantissa bits raise the scale by a quarter of an octave at most.
    expect(deviation / 0.02).toBeGreaterThan(0.99);
    expect(deviation / 0.02).toBeLessThan(1.25);
    expect(weights.every(Number.isFinite)).toBe(true);
    if (type === 'Q8_0') expect(bytes.some((byte, i) => i % 34 >= 2 && byte === 0x80)).toBe(false);
  });

  it('have half-precision scales', () => {
    for (const value of [1, 0.5, 1.5, 0.0123, 65504, 0.00005]) expect(halfToFloat(halfBits(value)) / value).toBeCloseTo(1, 2);
    expect(() => halfBits(2 ** -25)).toThrow(RangeError);
    expect(() => halfBits(0)).toThrow(RangeError);
  });
});

describe('a random GGUF file', () => {
  it('is the same for the same words, and another for another seed', async () => {
    const write = async (/** @type {string} */ name, /** @type {number} */ seed) => {
      const path = join(folder, name);
      const bytes = await writeRandomGguf(path, { shape: 'tiny', type: 'Q4_0', seed });
      const file = readFileSync(path);
      expect(file.length).toBe(bytes);
      return file;
    };
    const [first, again, other] = [await write('a', 1), await write('b', 1), await write('c', 2)];
    expect(first.equals(again)).toBe(true);
    expect(first.equals(other)).toBe(false);
    expect(first.toString('latin1', 0, 4)).toBe('GGUF');
  });

  it('has the sizes of its shape', async () => {
    const { layers, hiddenSize: d, heads, kvHeads, headSize, intermediateSize: ff, vocabularySize } = shapes.tiny;
    const path = join(folder, 'sizes');
    for (const type of /** @type {const} */ (['Q4_0', 'Q8_0'])) {
      const bytes = await writeRandomGguf(path, { shape: 'tiny', type, seed: 1 });
      const matrices = d * (2 * heads * headSize + 2 * kvHeads * headSize + 3 * ff);
      const weights = layers * (tensorTypes[type].bytes(matrices) + 8 * d) + tensorTypes.Q8_0.bytes(vocabularySize * d) + 4 * d;
      // Besides them only the header with its tokens, and what aligns.
      expect(bytes).toBeGreaterThan(weights);
      expect(bytes).toBeLessThan(weights + 40_000);
    }
  });

  it('refuses shapes and types that it does not know', async () => {
    const path = join(folder, 'never');
    await expect(writeRandomGguf(path, { shape: 'huge', type: 'Q4_0', seed: 1 })).rejects.toThrow(/"huge"/);
    await expect(writeRandomGguf(path, { shape: 'tiny', type: /** @type {'Q4_0'} */ ('Q5_K'), seed: 1 })).rejects.toThrow(/Q5_K/);
    await expect(writeRandomGguf(path, { shape: 'toString', type: 'Q4_0', seed: 1 })).rejects.toThrow();
  });
});
