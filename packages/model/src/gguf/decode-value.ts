import { InvalidModelError, printable } from '../errors.js';
import { ARRAY, STRING, valueTypes } from './types.js';
import type { WalkedValue } from './walk-header.js';

type Reader = (bytes: Buffer, at: number) => unknown;

/** By value type number, see `types.ts`; strings and arrays are read below. */
const scalars: readonly (Reader | undefined)[] = [
  (bytes, at) => bytes.readUInt8(at),
  (bytes, at) => bytes.readInt8(at),
  (bytes, at) => bytes.readUInt16LE(at),
  (bytes, at) => bytes.readInt16LE(at),
  (bytes, at) => bytes.readUInt32LE(at),
  (bytes, at) => bytes.readInt32LE(at),
  (bytes, at) => bytes.readFloatLE(at),
  (bytes, at) => bytes.readUInt8(at) !== 0,
  undefined,
  undefined,
  (bytes, at) => bytes.readBigUInt64LE(at),
  (bytes, at) => bytes.readBigInt64LE(at),
  (bytes, at) => bytes.readDoubleLE(at),
];

/**
 * A metadata value of a header that was walked before: every length and type in it is sound. 64-bit integers become numbers;
 * a value beyond 2^53 is refused, inside an array it is rounded.
 */
export function decodeValue(path: string, key: string, bytes: Buffer, { type, start }: WalkedValue): unknown {
  const { value } = decode(bytes, type, start);
  if (typeof value !== 'bigint') return value;
  if (value > 9007199254740991n || value < -9007199254740991n)
    throw new InvalidModelError(path, `"${printable(key)}" is ${value}, beyond 2^53.`);
  return Number(value);
}

function decode(bytes: Buffer, type: number, at: number): { value: unknown; end: number } {
  if (type === STRING) {
    const end = at + 8 + bytes.readUInt32LE(at);
    return { value: bytes.toString('utf8', at + 8, end), end };
  }
  if (type === ARRAY) {
    const elementType = bytes.readUInt32LE(at);
    const count = bytes.readUInt32LE(at + 4);
    const items: unknown[] = [];
    let next = at + 12;
    for (let i = 0; i < count; i++) {
      const { value, end } = decode(bytes, elementType, next);
      items.push(typeof value === 'bigint' ? Number(value) : value);
      next = end;
    }
    return { value: items, end: next };
  }
  const read = scalars[type] as Reader;
  return { value: read(bytes, at), end: at + (valueTypes[type]?.sizeBytes ?? 0) };
}
