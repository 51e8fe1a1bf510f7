import { InvalidModelError, printable } from '../errors.js';
import { jsonFault } from './strict-json.js';

/** Bits per value of the types that the format names. */
const typeBits: ReadonlyMap<string, number> = new Map([
  ['BOOL', 8],
  ['U8', 8],
  ['I8', 8],
  ['F8_E5M2', 8],
  ['F8_E4M3', 8],
  ['I16', 16],
  ['U16', 16],
  ['F16', 16],
  ['BF16', 16],
  ['I32', 32],
  ['U32', 32],
  ['F32', 32],
  ['I64', 64],
  ['U64', 64],
  ['F64', 64],
]);

export interface SafetensorsEntry {
  readonly type: string;
  readonly shape: readonly number[];
  /** From the start of the data, which follows the header. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

export const maxHeaderBytes = 100_000_000;
const maxTensors = 1 << 20;

/**
 * Reads the JSON header of a safetensors file by the format's rules: every tensor's range has the size that its type and
 * shape say, and the ranges cover the data without holes or overlap.
 *
 * @param dataBytes bytes of the file behind the header
 */
export function parseSafetensorsHeader(path: string, headerBytes: Uint8Array, dataBytes: number): SafetensorsHeader {
  const fail = (message: string): never => {
    throw new InvalidModelError(path, message);
  };
  if (headerBytes[0] !== 0x7b) fail('its header does not start with "{".');
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(headerBytes);
    json = JSON.parse(text);
  } catch (cause) {
    return fail(`its header is not JSON in UTF-8: ${printable((cause as Error).message)}.`);
  }
  const fault = jsonFault(text, 3);
  if (fault) fail(`its header is refused: ${printable(fault)}.`);
  const entries = Object.entries(json as Record<string, unknown>);
  if (entries.length > maxTensors) fail(`its header lists ${entries.length} tensors, at most ${maxTensors} are read.`);
  const tensors = new Map<string, SafetensorsEntry>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of entries) {
    if (name === '__metadata__') metadata = readMetadata(value, fail);
    else tensors.set(name, readEntry(name, value, fail));
  }
  let at = 0;
  for (const [name, entry] of [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.sizeBytes - b.sizeBytes)) {
    if (entry.offset > at) fail(`there is a hole of ${entry.offset - at} bytes before tensor "${printable(name)}".`);
    if (entry.offset < at) fail(`tensor "${printable(name)}" overlaps the one before it.`);
    at += entry.sizeBytes;
  }
  if (at !== dataBytes) fail(`its tensors take ${at} bytes, the file holds ${dataBytes}.`);
  return { tensors, metadata };
}

function readMetadata(value: unknown, fail: (message: string) => never): ReadonlyMap<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail('"__metadata__" is not an object.');
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(value as object)) {
    if (typeof text !== 'string') fail(`"__metadata__" holds "${printable(key)}", which is not a string.`);
    metadata.set(key, text as string);
  }
  return metadata;
}

function readEntry(name: string, value: unknown, fail: (message: string) => never): SafetensorsEntry {
  const label = `tensor "${printable(name)}"`;
  if (typeof value !== 'object' || value === null) fail(`${label} is not an object.`);
  const { dtype, shape, data_offsets: range, ...rest } = value as Record<string, unknown>;
  if (Object.keys(rest).length > 0) fail(`${label} has the unknown field "${printable(Object.keys(rest)[0] as string)}".`);
  const bits = typeof dtype === 'string' ? typeBits.get(dtype) : undefined;
  if (bits === undefined) fail(`${label} has the unknown type ${printable(String(dtype))}.`);
  const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!Array.isArray(shape) || shape.length > 16 || !shape.every(isSize)) fail(`${label} has a shape that is not a list of sizes.`);
  if (!Array.isArray(range) || range.length !== 2 || !range.every(isSize) || range[1] < range[0])
    fail(`${label} has no valid "data_offsets".`);
  const [start, end] = range as [number, number];
  let needed = bits as number;
  for (const size of shape as number[]) {
    needed *= size;
    if (!Number.isSafeInteger(needed)) fail(`${label} of shape [${(shape as number[]).join(', ')}] is larger than any file.`);
  }
  if (needed / 8 !== end - start)
    fail(
      `${label} of shape [${(shape as number[]).join(', ')}] and type ${dtype} needs ${needed / 8} bytes, its range has ${end - start}.`,
    );
  return { type: dtype as string, shape: shape as number[], offset: start, sizeBytes: end - start };
}
