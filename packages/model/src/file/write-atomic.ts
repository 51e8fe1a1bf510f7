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
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const neededBytes = parts.reduce((sum, part) => sum + part.length, 0);
  try {
    const file = await open(temporary, 'wx');
    try {
      for (const part of parts) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    await rethrowIo(cause, path, `Cannot write ${printable(path)}`, { neededBytes, remedy: 'Free space there, or write to another disk.' });
  }
}
