import { createHash } from 'node:crypto';
import { CheckpointInvalidError } from './errors.js';

/**
 * Layout, little-endian: the text `GSTRAIN1`, u32 length of a JSON header, the header `{ state, blobs: [[name, bytes], ...] }`
 * padded with spaces to whole 8 bytes less 4, then the blobs each padded with zeros to whole 8 bytes, then the SHA-256 of all
 * before it.
 */
const MAGIC = 'GSTRAIN1';
const LONGEST_HEADER = 1 << 26;
const DIGEST_BYTES = 32;

/** What a run is at one moment: plain data, and arrays as bytes. */
export interface Checkpoint {
  readonly state: unknown;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

const padded = (length: number): number => Math.ceil(length / 8) * 8;

export function encodeCheckpoint({ state, blobs }: Checkpoint): Uint8Array {
  const header = new TextEncoder().encode(JSON.stringify({ state, blobs: [...blobs].map(([name, bytes]) => [name, bytes.length]) }));
  const start = padded(MAGIC.length + 4 + header.length);
  const end = [...blobs.values()].reduce((sum, { length }) => sum + padded(length), start);
  const bytes = new Uint8Array(end + DIGEST_BYTES);
  bytes.set(new TextEncoder().encode(MAGIC));
  new DataView(bytes.buffer).setUint32(MAGIC.length, start - MAGIC.length - 4, true);
  bytes.fill(0x20, MAGIC.length + 4, start);
  bytes.set(header, MAGIC.length + 4);
  let at = start;
  for (const blob of blobs.values()) {
    bytes.set(blob, at);
    at += padded(blob.length);
  }
  bytes.set(createHash('sha256').update(bytes.subarray(0, end)).digest(), end);
  return bytes;
}

/** @throws CheckpointInvalidError */
export function decodeCheckpoint(bytes: Uint8Array, path: string): Checkpoint {
  const fail = (why: string): never => {
    throw new CheckpointInvalidError(path, why);
  };
  const least = MAGIC.length + 4 + DIGEST_BYTES;
  if (bytes.length < least || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC)
    fail('it is no checkpoint of a training run');
  const end = bytes.length - DIGEST_BYTES;
  if (!createHash('sha256').update(bytes.subarray(0, end)).digest().equals(bytes.subarray(end)))
    fail('its check sum is not that of its bytes');
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(MAGIC.length, true);
  const start = MAGIC.length + 4 + headerBytes;
  if (headerBytes > LONGEST_HEADER || start > end) fail(`a header of ${headerBytes} bytes does not fit`);
  const { state, blobs } = readHeader(new TextDecoder().decode(bytes.subarray(MAGIC.length + 4, start)), fail);
  const found = new Map<string, Uint8Array>();
  let at = start;
  for (const [name, length] of blobs) {
    if (at + length > end) fail(`"${name}" reaches behind its end`);
    // A copy, so that numbers start where their width wants them.
    found.set(name, bytes.slice(at, at + length));
    at += padded(length);
  }
  return { state, blobs: found };
}

function readHeader(text: string, fail: (why: string) => never): { state: unknown; blobs: [string, number][] } {
  let header: { state?: unknown; blobs?: unknown } | null;
  try {
    header = JSON.parse(text);
  } catch {
    return fail('its header is not JSON');
  }
  const blobs = header?.blobs;
  if (!Array.isArray(blobs)) return fail('its header names no arrays');
  for (const entry of blobs as unknown[]) {
    const [name, length] = Array.isArray(entry) ? entry : [];
    if (typeof name !== 'string' || !Number.isSafeInteger(length) || length < 0) return fail('an array has no name or length');
  }
  return { state: header?.state, blobs: blobs as [string, number][] };
}

/** The memory of an array, not a copy. */
export const bytesOf = (array: Float32Array | Float64Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** @throws CheckpointInvalidError where it is missing or of another length */
export function float32Blob({ blobs }: Checkpoint, name: string, length: number, path: string): Float32Array {
  const bytes = blobs.get(name);
  if (bytes?.length !== 4 * length)
    throw new CheckpointInvalidError(path, `"${name}" has ${bytes?.length ?? 'no'} bytes, ${4 * length} are needed`);
  return new Float32Array(bytes.buffer, bytes.byteOffset, length);
}

/** @throws CheckpointInvalidError where it is missing or of another length */
export function float64Blob({ blobs }: Checkpoint, name: string, length: number, path: string): Float64Array {
  const bytes = blobs.get(name);
  if (bytes?.length !== 8 * length)
    throw new CheckpointInvalidError(path, `"${name}" has ${bytes?.length ?? 'no'} bytes, ${8 * length} are needed`);
  return new Float64Array(bytes.buffer, bytes.byteOffset, length);
}
