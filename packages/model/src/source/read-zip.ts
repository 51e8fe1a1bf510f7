import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { printable } from '../errors.js';
import { DownloadMismatchError } from './errors.js';

/** One file of a zip archive (a wheel is one). */
export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly headerOffset: number;
}

const maxDirectoryBytes = 16 * 1024 * 1024;
const maxEntries = 20_000;

/** Reads a zip's directory. Zip64 and encryption are refused: wheels use neither below 4 GiB. */
export async function readZipEntries(path: string, file: FileHandle): Promise<ZipEntry[]> {
  const fail = (message: string): never => {
    throw new DownloadMismatchError(`${printable(path)} is no sound zip archive: ${message}.`, { what: path });
  };
  const fileBytes = (await file.stat()).size;
  const tail = Buffer.alloc(Math.min(fileBytes, 65_557));
  await file.read(tail, 0, tail.length, fileBytes - tail.length);
  const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || end + 22 > tail.length) return fail('it has no directory');
  const count = tail.readUInt16LE(end + 10);
  const directoryBytes = tail.readUInt32LE(end + 12);
  const directoryOffset = tail.readUInt32LE(end + 16);
  if (directoryBytes > maxDirectoryBytes || count > maxEntries || directoryOffset + directoryBytes > fileBytes)
    fail('its directory does not fit');
  const directory = Buffer.alloc(directoryBytes);
  await file.read(directory, 0, directoryBytes, directoryOffset);
  const entries: ZipEntry[] = [];
  for (let i = 0, at = 0; i < count; i++) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50) fail(`entry ${i} is damaged`);
    const flags = directory.readUInt16LE(at + 8);
    if (flags & 1) fail(`entry ${i} is encrypted`);
    const nameBytes = directory.readUInt16LE(at + 28);
    const entry = {
      name: directory.toString('utf8', at + 46, at + 46 + nameBytes),
      method: directory.readUInt16LE(at + 10),
      packedBytes: directory.readUInt32LE(at + 20),
      sizeBytes: directory.readUInt32LE(at + 24),
      headerOffset: directory.readUInt32LE(at + 42),
    };
    if (entry.packedBytes === 0xffffffff || entry.sizeBytes === 0xffffffff || entry.headerOffset + entry.packedBytes > fileBytes)
      fail(`entry ${i} does not fit`);
    entries.push(entry);
    at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

/** Unpacks one entry to `target`: never more than its stated size. */
export async function unpackZipEntry(
  path: string,
  file: FileHandle,
  entry: ZipEntry,
  target: string,
  onProgress: (done: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const local = Buffer.alloc(30);
  await file.read(local, 0, 30, entry.headerOffset);
  const start = entry.headerOffset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  if (local.readUInt32LE(0) !== 0x04034b50 || (entry.method !== 0 && entry.method !== 8))
    throw new DownloadMismatchError(`${printable(path)}: "${printable(entry.name)}" cannot be unpacked.`, { what: path });
  const out = await open(target, 'w');
  let done = 0;
  const store = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) {
      if (done + chunk.length > entry.sizeBytes)
        throw new DownloadMismatchError(
          `${printable(path)}: "${printable(entry.name)}" is longer than its stated ${entry.sizeBytes} bytes.`,
          { what: path },
        );
      await out.writeFile(chunk);
      done += chunk.length;
      onProgress(done);
    }
  };
  const packed = async function* (): AsyncGenerator<Buffer> {
    const chunk = Buffer.alloc(1 << 18);
    for (let at = 0; at < entry.packedBytes; ) {
      const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, entry.packedBytes - at), start + at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield Buffer.from(chunk.subarray(0, bytesRead));
    }
  };
  try {
    const options = signal ? { signal } : {};
    if (entry.method === 8) await pipeline(packed, createInflateRaw({ chunkSize: 1 << 18 }), store, options);
    else await pipeline(packed, store, options);
    await out.sync();
  } catch (cause) {
    if (String((cause as NodeJS.ErrnoException).code).startsWith('Z_'))
      throw new DownloadMismatchError(`${printable(path)}: "${printable(entry.name)}" is damaged (${(cause as Error).message}).`, {
        what: path,
      });
    throw cause;
  } finally {
    await out.close();
  }
  if (done !== entry.sizeBytes)
    throw new DownloadMismatchError(`${printable(path)}: "${printable(entry.name)}" has ${done} bytes, ${entry.sizeBytes} are stated.`, {
      what: path,
    });
}
