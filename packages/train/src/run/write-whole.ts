import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DiskFullError } from '@gateskip/model';

/**
 * Writes a file whole or not at all, also where the power fails: a new file, flushed, then renamed. Pieces are asked for one by one.
 *
 * @throws DiskFullError, and what the system throws
 */
export async function writeWhole(path: string, data: Uint8Array | string | Iterable<Uint8Array>): Promise<void> {
  const part = `${path}.part`;
  try {
    const file = await open(part, 'w');
    try {
      if (typeof data === 'string' || data instanceof Uint8Array) await file.writeFile(data);
      else for (const piece of data) await file.writeFile(piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new DiskFullError(path, error, { remedy: 'Free space there, then resume the run.' });
    throw error;
  }
  // The name is in the folder only once the folder is flushed; not every system lets one.
  const folder = await open(dirname(path), 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
