import { createHash } from 'node:crypto';
import { CheckpointInvalidError } from './errors.js';

/**
 * Layout, little-endian: the text `GSTRAIN1`, u32 length of a JSON header, the header `{ state, blobs: [[name, bytes], ...] }`
 * padded with spaces to whole 8 bytes less 4, then the blobs each padded with zeros to whole 8 bytes, then the SHA-256 of all
 * before it.
 */
export const MAGIC = 'GSTRAIN1';
export const DIGEST_BYTES = 32;
/** Written, read and hashed at once; between two of them the event loop turns. */
export const PIECE_BYTES = 1 << 23;

/** What a run is at one moment: plain data, and arrays as bytes. */
export interface Checkpoint {
  readonly state: unknown;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

export const padded = (length: number): number => Math.ceil(length / 8) * 8;

/**
 * A checkpoint as it is written, piece by piece: what a whole model and its moments are is never held twice. The arrays must stay as
 * they are until the last piece.
 */
export function* checkpointPieces({ state, blobs }: Checkpoint): Generator<Uint8Array> {
  const hash = createHash('sha256');
  const hashed = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes);
    return bytes;
  };
  const header = Buffer.from(JSON.stringify({ state, blobs: [...blobs].map(([name, bytes]) => [name, bytes.length]) }));
  const front = Buffer.alloc(padded(MAGIC.length + 4 + header.length), 0x20);
  front.write(MAGIC, 'latin1');
  front.writeUInt32LE(front.length - MAGIC.length - 4, MAGIC.length);
  front.set(header, MAGIC.length + 4);
  yield hashed(front);
  for (const blob of blobs.values()) {
    for (let at = 0; at < blob.length; at += PIECE_BYTES) yield hashed(blob.subarray(at, at + PIECE_BYTES));
    yield hashed(new Uint8Array(padded(blob.length) - blob.length));
  }
  yield hash.digest();
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
