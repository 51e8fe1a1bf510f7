import type { FileHandle } from 'node:fs/promises';
import { InvalidModelError } from '../errors.js';
import { decodeValue } from './decode-value.js';
import { StringTable } from './string-table.js';
import { STRING } from './types.js';
import { MoreBytesNeeded, type WalkedHeader, type WalkedTensor, walkHeader } from './walk-header.js';

/** Scalars, strings and short arrays by key. A Map: keys come from the file. */
export type GgufValues = ReadonlyMap<string, unknown>;

export interface GgufHeader {
  readonly values: GgufValues;
  /** An array of strings of any length; they are decoded one by one, when asked for. */
  strings(key: string): StringTable | undefined;
  numbers(key: string): number[] | Float32Array | Int32Array | undefined;
  readonly tensors: readonly WalkedTensor[];
}

const firstReadBytes = 4 * 1024 * 1024;
const maxHeaderBytes = 24 * 1024 * 1024;
/** Arrays of more elements are no plain values: vocabularies. */
const longArray = 1024;

/** Reads and checks the header of an open GGUF file. */
export async function readGgufHeader(path: string, file: FileHandle, fileBytes: number): Promise<GgufHeader> {
  const { bytes, header } = await walkGgufFile(path, file, fileBytes);
  const values = new Map<string, unknown>();
  const tables = new Map<string, Buffer>();
  for (const [key, value] of header.values) {
    if ((value.count ?? 0) <= longArray) values.set(key, decodeValue(path, key, bytes, value));
    // Copies: the bytes that were read are many times what is kept of them.
    if (value.count !== undefined && (value.count > longArray || value.elementType === STRING))
      tables.set(key, Buffer.from(bytes.subarray(value.start + 12, value.end)));
  }
  return {
    values,
    tensors: header.tensors,
    strings(key) {
      const table = tables.get(key);
      const { elementType, count } = header.values.get(key) ?? {};
      return table && elementType === STRING && count !== undefined ? new StringTable(table, count) : undefined;
    },
    numbers(key) {
      const table = tables.get(key);
      if (!table) {
        const short = values.get(key);
        return Array.isArray(short) && short.every((item) => typeof item === 'number') ? short : undefined;
      }
      const copy = new Uint8Array(table).buffer;
      const { elementType } = header.values.get(key) ?? {};
      if (elementType === 6) return new Float32Array(copy);
      if (elementType === 4 || elementType === 5) return new Int32Array(copy);
      return undefined;
    },
  };
}

/** The header as positions, and the bytes that they are positions in. */
export async function walkGgufFile(
  path: string,
  file: FileHandle,
  fileBytes: number,
): Promise<{ readonly bytes: Buffer; readonly header: WalkedHeader }> {
  for (const limit of [firstReadBytes, maxHeaderBytes]) {
    const bytes = Buffer.alloc(Math.min(limit, fileBytes));
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, filled);
      if (bytesRead === 0) throw new InvalidModelError(path, `the file ended at byte ${filled} while its header was read.`);
      filled += bytesRead;
    }
    try {
      return { bytes, header: walkHeader(path, bytes, fileBytes) };
    } catch (error) {
      if (!(error instanceof MoreBytesNeeded)) throw error;
    }
  }
  throw new InvalidModelError(path, `the header is longer than ${maxHeaderBytes} bytes.`);
}
