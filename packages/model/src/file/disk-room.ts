import { mkdir, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isGateskipError } from '@gateskip/errors';
import { ModelIoError } from '../errors.js';
import { DiskFullError, type DiskRoom } from '../source/errors.js';

/** Left over for what comes beside a file: its record, folders, the file system's own tables. */
const marginBytes = 64 * 1024;

/** Bytes that may still be written where `folder` lies; undefined where the file system does not say. */
export async function freeBytesOf(folder: string): Promise<number | undefined> {
  const found = await statfs(folder).catch(() => undefined);
  return found && found.blocks > 0 ? found.bavail * found.bsize : undefined;
}

/**
 * Refuses to begin what cannot end: `neededBytes` for `path`, whose folder exists.
 * @throws DiskFullError
 */
export async function checkRoom(path: string, neededBytes: number, remedy?: string): Promise<void> {
  if (neededBytes <= 0) return;
  const freeBytes = await freeBytesOf(dirname(path));
  if (freeBytes !== undefined && freeBytes < neededBytes + marginBytes)
    throw new DiskFullError(path, undefined, { neededBytes, freeBytes, ...(remedy !== undefined && { remedy }) });
}

/**
 * A full disk or quota as the error it is; anything else as it came.
 * @param room what is known of it; the free bytes are looked up
 */
export async function rethrowDisk(cause: unknown, path: string, room: DiskRoom = {}): Promise<never> {
  if (isGateskipError(cause)) throw cause;
  const { code } = cause as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') throw cause;
  const freeBytes = await freeBytesOf(dirname(path));
  throw new DiskFullError(path, cause, { ...(freeBytes !== undefined && { freeBytes }), ...room });
}

/**
 * What the system refused as the error it is: a full disk, or else a ModelIoError that begins with `what`. Anything that
 * is not the system's, such as an abort, stays what it was.
 */
export async function rethrowIo(cause: unknown, path: string, what: string, room: DiskRoom = {}): Promise<never> {
  const error = await rethrowDisk(cause, path, room).catch((thrown: unknown) => thrown);
  if (isGateskipError(error) || typeof (cause as NodeJS.ErrnoException).errno !== 'number') throw error;
  throw new ModelIoError(`${what}: ${(cause as Error).message}.`, { what: path }, { cause });
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    // Node 20 says ENOENT here where a disk is full: one by one, each tells its own reason.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') await makeOneByOne(path);
    else await rethrowIo(cause, path, `Cannot make the folder ${path}`);
  }
}

async function makeOneByOne(path: string): Promise<void> {
  const above = dirname(path);
  if (above !== path && !(await stat(above).catch(() => undefined))) await makeOneByOne(above);
  await mkdir(path).catch((cause: NodeJS.ErrnoException) =>
    cause.code === 'EEXIST' ? undefined : rethrowIo(cause, path, `Cannot make the folder ${path}`),
  );
}
