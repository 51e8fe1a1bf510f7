import type { FileHandle } from 'node:fs/promises';
import type { GGUFTypedMetadata } from '@huggingface/gguf';
import { InvalidModelError, printable } from '../errors.js';
import { ARRAY, STRING } from './types.js';
import { MoreBytesNeeded, type WalkedHeader, type WalkedTensor, walkHeader } from './walk-header.js';

/** Scalars, strings and short arrays by key. A Map: keys come from the file. */
export type GgufValues = ReadonlyMap<string, unknown>;

export interface GgufHeader {
  readonly values: GgufValues;
  /** The arrays of more than {@link longArray} elements, decoded on demand. */
  strings(key: string): string[] | undefined;
  numbers(key: string): number[] | Float32Array | Int32Array | undefined;
  readonly tensors: readonly WalkedTensor[];
}

const firstReadBytes = 4 * 1024 * 1024;
const maxHeaderBytes = 24 * 1024 * 1024;
const longArray = 1024;

/** Reads and checks the header of an open GGUF file. */
export async function readGgufHeader(path: string, file: FileHandle, fileBytes: number): Promise<GgufHeader> {
  const { bytes, header } = await walkFile(path, file, fileBytes);
  const long = new Map([...header.values].filter(([, value]) => (value.count ?? 0) > longArray));
  const values = await parseWithLibrary(path, bytes, header, new Set(long.keys()));
  const region = (key: string) => {
    const value = long.get(key);
    return value && { ...value, elementType: value.elementType as number, count: value.count as number };
  };
  return {
    values,
    tensors: header.tensors,
    strings(key) {
      const array = region(key);
      if (!array) {
        const short = values.get(key);
        return Array.isArray(short) && short.every((item) => typeof item === 'string') ? short : undefined;
      }
      if (array.elementType !== STRING) return undefined;
      const out = new Array<string>(array.count);
      let at = array.start + 12;
      for (let i = 0; i < array.count; i++) {
        const length = bytes.readUInt32LE(at);
        out[i] = bytes.toString('utf8', at + 8, at + 8 + length);
        at += 8 + length;
      }
      return out;
    },
    numbers(key) {
      const array = region(key);
      if (!array) {
        const short = values.get(key);
        return Array.isArray(short) && short.every((item) => typeof item === 'number') ? short : undefined;
      }
      const start = array.start + 12;
      const copy = new Uint8Array(bytes.subarray(start, array.end)).buffer;
      if (array.elementType === 6) return new Float32Array(copy);
      if (array.elementType === 4 || array.elementType === 5) return new Int32Array(copy);
      return undefined;
    },
  };
}

async function walkFile(path: string, file: FileHandle, fileBytes: number): Promise<{ bytes: Buffer; header: WalkedHeader }> {
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

/**
 * Lets `@huggingface/gguf` decode the header that was just walked: the very bytes in memory, never the file again.
 * Long arrays (the vocabulary) are taken out first: the library needs 200 ms for what `strings` does in 20.
 */
async function parseWithLibrary(path: string, bytes: Buffer, header: WalkedHeader, without: ReadonlySet<string>): Promise<GgufValues> {
  const { gguf } = await import('@huggingface/gguf');
  const parts: Buffer[] = [];
  let from = 0;
  for (const [key, value] of header.values) {
    if (!without.has(key)) continue;
    parts.push(bytes.subarray(from, value.start + 4), Buffer.alloc(8));
    from = value.end;
  }
  parts.push(bytes.subarray(from, header.end));
  const spliced = Buffer.concat(parts);
  const serve: typeof fetch = async (_uri, init) => {
    const range = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get('Range') ?? '');
    const [start, end] = [Number(range?.[1]), Number(range?.[2]) + 1];
    return new Response(new Uint8Array(spliced.subarray(start, end)));
  };
  let typed: GGUFTypedMetadata;
  let tensorCount: number;
  try {
    const parsed = await gguf('http://header.invalid/', { fetch: serve, typedMetadata: true });
    typed = parsed.typedMetadata;
    tensorCount = parsed.tensorInfos.length;
    for (const [i, tensor] of parsed.tensorInfos.entries()) {
      if (tensor.name !== header.tensors[i]?.name) throw new Error(`two readings of tensor ${i} differ`);
    }
  } catch (error) {
    throw new InvalidModelError(path, `its header cannot be read: ${printable(error instanceof Error ? error.message : String(error))}.`);
  }
  if (tensorCount !== header.tensors.length) throw new InvalidModelError(path, 'two readings of its tensor directory differ.');
  const values = new Map<string, unknown>();
  for (const [key, entry] of Object.entries(typed as Record<string, { value: unknown; type: number }>)) {
    if (!header.values.has(key) || without.has(key)) continue;
    const value = entry.value;
    if (typeof value === 'bigint') {
      if (value > 9007199254740991n || value < -9007199254740991n)
        throw new InvalidModelError(path, `"${printable(key)}" is ${value}, beyond 2^53.`);
      values.set(key, Number(value));
    } else if (entry.type === ARRAY && Array.isArray(value)) {
      values.set(
        key,
        value.map((item) => (typeof item === 'bigint' ? Number(item) : item)),
      );
    } else values.set(key, value);
  }
  return values;
}
