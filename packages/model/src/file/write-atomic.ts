import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { ModelIoError, printable } from '../errors.js';
import { DiskFullError } from '../source/errors.js';

/**
 * Writes `parts` to a new file beside `path`, makes it durable and renames it: the name never holds half a file.
 *
 * @throws DiskFullError, ModelIoError
 */
export async function writeFileAtomically(path: string, parts: readonly Uint8Array[]): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
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
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') throw new DiskFullError(path, cause);
    throw new ModelIoError(`Cannot write ${printable(path)}: ${(cause as Error).message}.`, { what: path }, { cause });
  }
}
