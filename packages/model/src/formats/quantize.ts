import { InvalidArgumentError } from '@gateskip/errors';
import type { TensorType } from '../model.js';
import { storedBytes } from './dequantize.js';
import { floatToBfloat, floatToHalf, halfToFloat } from './half.js';

/**
 * Float32 to stored bytes, the inverse of `dequantize`: exact for F32, nearest (ties to even) for F16 and BF16, and by
 * blocks of 32 for the others, with integers chosen against the scale as stored, so that the rounding of the scale
 * itself does not add to the error.
 *
 * @throws InvalidArgumentError for values that the type cannot hold: not finite, or a scale beyond binary16.
 */
export function quantize(type: TensorType, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(storedBytes(type, values.length));
  const view = new DataView(bytes.buffer);
  switch (type) {
    case 'F32':
      for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i]!, true);
      break;
    case 'F16':
      for (let i = 0; i < values.length; i++) view.setUint16(2 * i, floatToHalf(values[i]!), true);
      break;
    case 'BF16':
      for (let i = 0; i < values.length; i++) view.setUint16(2 * i, floatToBfloat(values[i]!), true);
      break;
    case 'Q4_0':
      for (let block = 0; 32 * block < values.length; block++)
        quantizeQ4Zero(values.subarray(32 * block, 32 * block + 32), view, 18 * block);
      break;
    case 'Q4_1':
      for (let block = 0; 32 * block < values.length; block++)
        quantizeQ4One(values.subarray(32 * block, 32 * block + 32), view, 20 * block);
      break;
    case 'Q8_0':
      for (let block = 0; 32 * block < values.length; block++)
        quantizeQ8Zero(values.subarray(32 * block, 32 * block + 32), view, 34 * block);
      break;
  }
  return bytes;
}

function quantizeQ4Zero(values: Float32Array, view: DataView, base: number): void {
  // The value of largest magnitude becomes -8, the end of the range with one step more.
  let extreme = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  const scale = storeHalf(view, base, extreme / -8, values);
  for (let i = 0; i < 16; i++) {
    const low = integer(values[i]!, scale, 8, 0, 15);
    view.setUint8(base + 2 + i, low | (integer(values[i + 16]!, scale, 8, 0, 15) << 4));
  }
}

function quantizeQ4One(values: Float32Array, view: DataView, base: number): void {
  let lowest = values[0]!;
  let highest = values[0]!;
  for (const value of values) {
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  const minimum = storeHalf(view, base + 2, lowest, values);
  const scale = storeHalf(view, base, Math.max(0, highest - minimum) / 15, values);
  for (let i = 0; i < 16; i++) {
    const low = integer(values[i]! - minimum, scale, 0, 0, 15);
    view.setUint8(base + 4 + i, low | (integer(values[i + 16]! - minimum, scale, 0, 0, 15) << 4));
  }
}

function quantizeQ8Zero(values: Float32Array, view: DataView, base: number): void {
  let extreme = 0;
  for (const value of values) extreme = Math.max(extreme, Math.abs(value));
  const scale = storeHalf(view, base, extreme / 127, values);
  for (let i = 0; i < 32; i++) view.setInt8(base + 2 + i, integer(values[i]!, scale, 0, -127, 127));
}

/** Writes a binary16 and returns its value. */
function storeHalf(view: DataView, offset: number, value: number, block: Float32Array): number {
  const half = floatToHalf(value);
  const stored = halfToFloat(half);
  if (!Number.isFinite(stored) || !block.every(Number.isFinite)) {
    throw new InvalidArgumentError(
      `A block of 32 values has no binary16 scale (it would be ${value}).`,
      'Look for Inf, NaN or huge weights.',
    );
  }
  view.setUint16(offset, half, true);
  return stored;
}

function integer(value: number, scale: number, zero: number, lowest: number, highest: number): number {
  if (scale === 0) return zero;
  return Math.min(highest, Math.max(lowest, Math.round(value / scale) + zero));
}
