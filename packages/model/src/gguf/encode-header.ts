import type { TensorType } from '../model.js';
import { tensorTypes } from './types.js';

/** A tensor as the directory of a GGUF file names it. */
export interface GgufEntry {
  readonly name: string;
  readonly type: TensorType;
  readonly rows: number;
  readonly columns: number;
  readonly sizeBytes: number;
}

export interface EncodedGgufHeader {
  /** Up to where the first tensor starts. */
  readonly bytes: Uint8Array;
  /** What stands behind each tensor until the next may start. */
  readonly paddings: readonly number[];
}

const typeNumbers = new Map([...tensorTypes].map(([number, type]) => [type, number]));

function whole(bytes: 4 | 8, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 4) buffer.writeUInt32LE(value);
  else buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([whole(8, bytes.length), bytes]);
}

/** A metadata value of type UINT32. */
export const encodeWhole = (value: number): Uint8Array => Buffer.concat([whole(4, 4), whole(4, value)]);

/**
 * Header of a GGUF file of version 3, tensors in the order given.
 *
 * @param values by key, as a file has them: type number first
 */
export function encodeGgufHeader(
  values: ReadonlyMap<string, Uint8Array>,
  tensors: readonly GgufEntry[],
  alignment: number,
): EncodedGgufHeader {
  const parts: Uint8Array[] = [Buffer.from('GGUF'), whole(4, 3), whole(8, tensors.length), whole(8, values.size)];
  for (const [key, value] of values) parts.push(text(key), value);
  const paddings: number[] = [];
  let at = 0;
  for (const { name, type, rows, columns, sizeBytes } of tensors) {
    // Innermost first; a vector has one dimension.
    const sizes = rows === 1 ? [columns] : [columns, rows];
    parts.push(text(name), whole(4, sizes.length), ...sizes.map((size) => whole(8, size)));
    parts.push(whole(4, typeNumbers.get(type) as number), whole(8, at));
    const padding = (alignment - (sizeBytes % alignment)) % alignment;
    paddings.push(padding);
    at += sizeBytes + padding;
  }
  const front = Buffer.concat(parts);
  return { bytes: Buffer.concat([front, Buffer.alloc((alignment - (front.length % alignment)) % alignment)]), paddings };
}
