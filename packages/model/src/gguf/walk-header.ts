import { InvalidModelError, printable, UnsupportedModelError, UnsupportedTensorTypeError } from '../errors.js';
import type { TensorType } from '../model.js';
import { tensorBytes } from '../tensor-bytes.js';
import { ARRAY, STRING, tensorTypeName, tensorTypes, valueTypes } from './types.js';
import { isValidUtf8 } from './valid-utf8.js';

/** Where one metadata value lies in the header. */
export interface WalkedValue {
  readonly type: number;
  /** First byte of the value. For arrays: of the element type. */
  readonly start: number;
  readonly end: number;
  /** Arrays only. */
  readonly elementType?: number;
  readonly count?: number;
}

export interface WalkedTensor {
  readonly name: string;
  readonly type: TensorType;
  /** Outermost first: [rows, columns]; a vector has one row. */
  readonly rows: number;
  readonly columns: number;
  /** From the start of the file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** A header whose every count, length and offset has been checked against the file. */
export interface WalkedHeader {
  readonly values: ReadonlyMap<string, WalkedValue>;
  readonly tensors: readonly WalkedTensor[];
  /** First byte of the tensor directory. */
  readonly tensorStart: number;
  /** End of the tensor directory. */
  readonly end: number;
}

/** The header goes on behind the bytes given: read more and walk again. */
export class MoreBytesNeeded extends Error {}

const maxDepth = 4;
const maxKeyBytes = 65535;
const maxStringBytes = 4 * 1024 * 1024;
const maxKeys = 65536;
const maxTensors = 65536;
const maxArrayLength = 1_000_000;

/**
 * Walks a GGUF header (version 2 or 3, little-endian) without keeping more than positions and names.
 *
 * Every count is bounded by the bytes left in the *file* before anything is done with it, so that a hostile header
 * costs neither memory nor time. @throws MoreBytesNeeded where `bytes` ends before the header but the file goes on.
 */
export function walkHeader(path: string, bytes: Buffer, fileBytes: number): WalkedHeader {
  let at = 0;
  const fail = (message: string): never => {
    throw new InvalidModelError(path, message, { at });
  };
  const need = (count: number, what: string): void => {
    if (count > fileBytes - at) fail(`${what} at byte ${at} needs ${count} bytes, the file has ${fileBytes - at} left.`);
    if (count > bytes.length - at) throw new MoreBytesNeeded();
  };
  const u32 = (what: string): number => {
    need(4, what);
    at += 4;
    return bytes.readUInt32LE(at - 4);
  };
  /** A u64 that counts things of at least `unitBytes` each. */
  const count = (what: string, unitBytes: number, limit: number): number => {
    need(8, what);
    const low = bytes.readUInt32LE(at);
    const value = bytes.readUInt32LE(at + 4) * 4294967296 + low;
    at += 8;
    if (value > limit) fail(`${what} is ${value}, at most ${limit} are allowed.`);
    if (value * unitBytes > fileBytes - at) fail(`${what} is ${value}, but the file has only ${fileBytes - at} bytes left.`);
    return value;
  };
  // Runs a hundred thousand times for a vocabulary: nothing is built here that only a message would need.
  const skipString = (what: string, limit: number): void => {
    if (fileBytes - at < 8 || bytes.length - at < 8) need(8, `Length of ${what}`);
    const length = bytes.readUInt32LE(at + 4) * 4294967296 + bytes.readUInt32LE(at);
    at += 8;
    if (length > limit) fail(`${what} has ${length} bytes, at most ${limit} are allowed.`);
    if (length > fileBytes - at || length > bytes.length - at) need(length, what);
    if (!isValidUtf8(bytes, at, at + length)) fail(`${what} is not valid UTF-8.`);
    at += length;
  };
  const readString = (what: string, limit: number): string => {
    const start = at + 8;
    skipString(what, limit);
    return bytes.toString('utf8', start, at);
  };
  const skipValue = (type: number, what: string, depth: number): void => {
    const known = valueTypes[type];
    if (!known) fail(`${what} has the unknown value type ${type}.`);
    else if (type === STRING) skipString(what, maxStringBytes);
    else if (type === ARRAY) skipArray(what, depth + 1);
    else {
      need(known.sizeBytes, what);
      at += known.sizeBytes;
    }
  };
  const skipArray = (what: string, depth: number): void => {
    if (depth > maxDepth) fail(`${what} nests arrays deeper than ${maxDepth}.`);
    const element = u32(`Element type of ${what}`);
    const known = valueTypes[element];
    if (!known) fail(`${what} has the unknown element type ${element}.`);
    const unitBytes = element === STRING ? 8 : element === ARRAY ? 12 : (known?.sizeBytes ?? 1);
    const length = count(`Length of ${what}`, unitBytes, maxArrayLength);
    if (element === STRING || element === ARRAY) {
      for (let i = 0; i < length; i++) element === STRING ? skipString(what, maxStringBytes) : skipArray(what, depth + 1);
    } else {
      need(length * unitBytes, what);
      at += length * unitBytes;
    }
  };

  checkPreamble(path, bytes, fileBytes);
  at = 8;
  const tensorCount = count('Number of tensors', 32, maxTensors);
  const keyCount = count('Number of metadata keys', 13, maxKeys);

  const values = new Map<string, WalkedValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = readString(`Metadata key ${i}`, maxKeyBytes);
    if (key === '' || key === '__proto__') fail(`Metadata key ${i} is "${key}", which is not allowed.`);
    if (values.has(key)) fail(`Metadata key "${printable(key)}" appears twice.`);
    const type = u32(`Type of "${printable(key)}"`);
    const start = at;
    skipValue(type, `Value of "${printable(key)}"`, 0);
    const array = type === ARRAY ? { elementType: bytes.readUInt32LE(start), count: Number(bytes.readBigUInt64LE(start + 4)) } : {};
    values.set(key, { type, start, end: at, ...array });
  }

  const alignment = readAlignment(bytes, values.get('general.alignment'), fail);
  const tensorStart = at;
  const directory: { name: string; type: TensorType; rows: number; columns: number; relative: bigint; sizeBytes: number }[] = [];
  const names = new Set<string>();
  for (let i = 0; i < tensorCount; i++) {
    const name = readString(`Name of tensor ${i}`, maxKeyBytes);
    if (name === '') fail(`Tensor ${i} has no name.`);
    if (names.has(name)) fail(`Tensor "${printable(name)}" appears twice.`);
    names.add(name);
    const label = `Tensor "${printable(name)}"`;
    const dimensions = u32(`Number of dimensions of ${label}`);
    if (dimensions < 1 || dimensions > 4) fail(`${label} has ${dimensions} dimensions; 1 to 4 are allowed.`);
    need(8 * dimensions + 12, label);
    const sizes: bigint[] = [];
    for (let k = 0; k < dimensions; k++, at += 8) sizes.push(bytes.readBigUInt64LE(at));
    const typeNumber = u32(`Type of ${label}`);
    const relative = bytes.readBigUInt64LE(at);
    at += 8;
    let product = 1n;
    for (const size of sizes) {
      if (size === 0n) fail(`${label} has a dimension of zero: [${sizes.join(', ')}].`);
      product *= size;
      if (product >= 1n << 63n) fail(`${label} has more values than 2^63: [${sizes.join(', ')}].`);
    }
    const type = tensorTypes.get(typeNumber);
    if (!type) throw new UnsupportedTensorTypeError(name, tensorTypeName(typeNumber));
    // Two bits a value is less than any type read here needs: anything above cannot be in the file.
    if (product > BigInt(fileBytes) * 4n) fail(`${label} of [${sizes.join(', ')}] values cannot fit in a file of ${fileBytes} bytes.`);
    // Stored innermost first: the first size is the row length.
    const columns = Number(sizes[0]);
    const rows = Number(product / (sizes[0] as bigint));
    const sizeBytes = tensorBytes(type, rows, columns) ?? fail(`${label}: rows of ${columns} values are not whole ${type} blocks.`);
    directory.push({ name, type, rows, columns, relative, sizeBytes });
  }

  const dataStart = Math.ceil(at / alignment) * alignment;
  const tensors = directory.map(({ relative, ...rest }) => {
    const label = `Tensor "${printable(rest.name)}"`;
    if (relative % BigInt(alignment) !== 0n)
      fail(`${label} starts at offset ${relative}, which is not a multiple of the alignment ${alignment}.`);
    if (BigInt(dataStart) + relative + BigInt(rest.sizeBytes) > BigInt(fileBytes)) {
      fail(`${label} (offset ${relative}, ${rest.sizeBytes} bytes) ends behind the file's ${fileBytes} bytes.`);
    }
    return { ...rest, offset: dataStart + Number(relative) };
  });
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < sorted.length; i++) {
    const [before, after] = [sorted[i - 1] as WalkedTensor, sorted[i] as WalkedTensor];
    if (before.offset + before.sizeBytes > after.offset)
      fail(`Tensors "${printable(before.name)}" and "${printable(after.name)}" overlap.`);
  }
  return { values, tensors, tensorStart, end: at };
}

function checkPreamble(path: string, bytes: Buffer, fileBytes: number): void {
  const magic = bytes.toString('latin1', 0, 4);
  if (magic !== 'GGUF') {
    if (magic === 'FUGG') throw new UnsupportedModelError(`${printable(path)} is a GGUF file written in reverse byte order.`);
    throw new UnsupportedModelError(`${printable(path)} is not a GGUF file: it starts with "${printable(magic)}", not "GGUF".`);
  }
  if (fileBytes < 24) throw new InvalidModelError(path, `the file has ${fileBytes} bytes, a GGUF header has at least 24.`);
  const version = bytes.readUInt32LE(4);
  if (version === 2 || version === 3) return;
  const swapped = bytes.readUInt32BE(4);
  if (swapped >= 1 && swapped <= 3) throw new UnsupportedModelError(`${printable(path)} is a big-endian GGUF file (version ${swapped}).`);
  throw new UnsupportedModelError(`${printable(path)} is GGUF version ${version}; versions 2 and 3 are read.`);
}

function readAlignment(bytes: Buffer, value: WalkedValue | undefined, fail: (message: string) => never): number {
  if (!value) return 32;
  if (value.type !== 4) fail(`"general.alignment" has type ${valueTypes[value.type]?.name}, it must be UINT32.`);
  const alignment = bytes.readUInt32LE(value.start);
  const isPowerOfTwo = alignment > 0 && (alignment & (alignment - 1)) === 0;
  if (!isPowerOfTwo || alignment > 1 << 20) fail(`"general.alignment" is ${alignment}; it must be a power of two up to 2^20.`);
  return alignment;
}
