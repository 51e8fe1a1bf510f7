import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { DataMissingError } from '../errors.js';

export interface Utf8File {
  readonly text: string;
  /** Of the bytes. */
  readonly sha256: string;
}

/**
 * Reads a text of at most `maxBytes`; a device or a file that grows meanwhile is held to that too.
 *
 * @param remedy what helps where it is longer
 * @throws DataMissingError
 */
export async function readUtf8File(path: string, maxBytes: number, remedy: string): Promise<Utf8File> {
  const bytes = await readBounded(path, maxBytes, remedy);
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch {
    throw new DataMissingError(`${path} is not UTF-8 text.`, 'Convert it first.', { what: path });
  }
}

async function readBounded(path: string, maxBytes: number, remedy: string): Promise<Buffer> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const { size } = await handle.stat();
    const tooLong = (got: number | string): DataMissingError =>
      new DataMissingError(`${path} has ${got} bytes, at most ${maxBytes} are read.`, remedy, { what: path, got, expected: maxBytes });
    if (size > maxBytes) throw tooLong(size);
    const parts: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      // One more than the stated size, so that the end of most files is seen by the first read.
      const part = Buffer.allocUnsafe(Math.min(Math.max(size + 1 - bytes, 65_536), maxBytes + 1 - bytes));
      const { bytesRead } = await handle.read(part, 0, part.length, null);
      if (bytesRead === 0) return Buffer.concat(parts, bytes);
      bytes += bytesRead;
      if (bytes > maxBytes) throw tooLong(`more than ${maxBytes}`);
      parts.push(part.subarray(0, bytesRead));
    }
  } catch (error) {
    if (error instanceof DataMissingError) throw error;
    throw new DataMissingError(`Cannot read ${path}: ${(error as Error).message}.`, 'Check the name.', { what: path });
  } finally {
    await handle?.close();
  }
}
