import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { printable } from '../errors.js';
import { rethrowIo } from './disk-room.js';

/**
 * Writes `parts` to a new file beside `path`, makes it durable and renames it: the name never holds half a file.
 *
 * @throws DiskFullError, ModelIoError
 */
export async function writeFileAtomically(path: string, parts: readonly Uint8Array[]): Promise<void> {
  await writePiecesAtomically(path, parts, { neededBytes: parts.reduce((sum, part) => sum + part.length, 0) });
}

export interface AtomicWrite {
  /** All that will be written. */
  readonly neededBytes: number;
  /** Called when everything is on disk and has no name yet; what it throws leaves nothing behind. */
  readonly beforeNamed?: () => Promise<void>;
}

/**
 * {@link writeFileAtomically} of pieces that are made one after the other: none is held longer than it takes to write it. Whatever
 * making them throws leaves nothing behind.
 *
 * @throws DiskFullError, ModelIoError
 */
export async function writePiecesAtomically(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { neededBytes, beforeNamed }: AtomicWrite,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      for await (const piece of pieces) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await beforeNamed?.();
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    await rethrowIo(cause, path, `Cannot write ${printable(path)}`, { neededBytes, remedy: 'Free space there, or write to another disk.' });
  }
}
