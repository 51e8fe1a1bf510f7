import { InvalidArgumentError, ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import type { TensorType } from '../model.js';
import { bfloatToFloat, halfToFloat } from './half.js';
import { typeInfo } from './type-info.js';

/** Bytes of `elementCount` values of a type. @throws InvalidArgumentError where they are not whole blocks. */
export function storedBytes(type: TensorType, elementCount: number): number {
  const info = typeInfo(type);
  if (info === undefined) throw new UnsupportedError(`Tensor type ${String(type)} is not known.`, 'Known: F32 F16 BF16 Q4_0 Q4_1 Q8_0.');
  if (!Number.isSafeInteger(elementCount) || elementCount < 0 || elementCount % info.blockElements !== 0) {
    throw new InvalidArgumentError(`${elementCount} values are not whole ${type} blocks of ${info.blockElements}.`);
  }
  return (elementCount / info.blockElements) * info.blockBytes;
}

/**
 * Stored bytes (little-endian, GGUF block layout) to float32. Exact for F32, F16 and BF16; for the block formats the
 * value is the rounded product of a binary16 scale and a small integer, as every GGUF reader computes it.
 *
 * - Q4_0: scale d (f16), 16 bytes of nibbles; value i < 16 in the low nibble of byte i, value i + 16 in the high one; `(q - 8) d`
 * - Q4_1: scale d, minimum m (f16), nibbles alike; `q d + m`
 * - Q8_0: scale d (f16), 32 int8; `q d`
 */
export function dequantize(type: TensorType, bytes: Uint8Array, elementCount: number): Float32Array {
  const expected = storedBytes(type, elementCount);
  if (bytes.byteLength !== expected)
    throw new ShapeMismatchError(`${elementCount} ${type} values in bytes`, [expected], [bytes.byteLength]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(elementCount);
  switch (type) {
    case 'F32':
      for (let i = 0; i < elementCount; i++) out[i] = view.getFloat32(4 * i, true);
      break;
    case 'F16':
      for (let i = 0; i < elementCount; i++) out[i] = halfToFloat(view.getUint16(2 * i, true));
      break;
    case 'BF16':
      for (let i = 0; i < elementCount; i++) out[i] = bfloatToFloat(view.getUint16(2 * i, true));
      break;
    case 'Q4_0':
      for (let block = 0; 32 * block < elementCount; block++) {
        const base = 18 * block;
        const scale = halfToFloat(view.getUint16(base, true));
        for (let i = 0; i < 16; i++) {
          const pair = bytes[base + 2 + i]!;
          out[32 * block + i] = ((pair & 15) - 8) * scale;
          out[32 * block + 16 + i] = ((pair >> 4) - 8) * scale;
        }
      }
      break;
    case 'Q4_1':
      for (let block = 0; 32 * block < elementCount; block++) {
        const base = 20 * block;
        const scale = halfToFloat(view.getUint16(base, true));
        const minimum = halfToFloat(view.getUint16(base + 2, true));
        for (let i = 0; i < 16; i++) {
          const pair = bytes[base + 4 + i]!;
          out[32 * block + i] = (pair & 15) * scale + minimum;
          out[32 * block + 16 + i] = (pair >> 4) * scale + minimum;
        }
      }
      break;
    case 'Q8_0':
      for (let block = 0; 32 * block < elementCount; block++) {
        const base = 34 * block;
        const scale = halfToFloat(view.getUint16(base, true));
        for (let i = 0; i < 32; i++) out[32 * block + i] = view.getInt8(base + 2 + i) * scale;
      }
      break;
  }
  return out;
}
