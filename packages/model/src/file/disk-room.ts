import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isGateskipError } from '@gateskip/errors';
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
export async function checkRoom(path: string, neededBytes: number): Promise<void> {
  if (neededBytes <= 0) return;
  const freeBytes = await freeBytesOf(dirname(path));
  if (freeBytes !== undefined && freeBytes < neededBytes + marginBytes)
    throw new DiskFullError(path, undefined, { neededBytes, freeBytes });
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
