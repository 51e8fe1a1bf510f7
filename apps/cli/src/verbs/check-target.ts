import { randomBytes } from 'node:crypto';
import { access, open, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FileExistsError, TextInputError, UsageError } from '../errors.js';

/** The target may be written: its folder is there and nothing is in the way. */
export async function checkTarget(out: string, force: boolean): Promise<void> {
  const path = resolve(out);
  if (basename(path) === '' || out.endsWith('/'))
    throw new UsageError(`--out ${out} is no file name.`, 'Give a file name.', { what: '--out' });
  const folder = dirname(path);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new UsageError(`--out ${out} is a folder.`, 'Give a file name.', { what: '--out' });
  if (found && !force) throw new FileExistsError(out);
  const probe = join(folder, `.gateskip-${randomBytes(6).toString('hex')}.tmp`);
  try {
    await access(folder);
    await (await open(probe, 'wx')).close();
  } catch (error) {
    throw new TextInputError(`Cannot write into the folder of ${out}: ${(error as Error).message}.`, 'Choose another.', { what: '--out' });
  } finally {
    await rm(probe, { force: true });
  }
}
