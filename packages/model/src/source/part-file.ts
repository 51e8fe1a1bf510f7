import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { rethrowDisk } from '../file/disk-room.js';
import type { RemoteFile } from './download-file.js';

/** Of which content the bytes in a `.part` are: beside it, in `.part.json`. */
interface PartNote {
  readonly etag?: unknown;
  readonly sizeBytes?: unknown;
}

/** Bytes of an earlier attempt that may be continued: same content, not longer than it. Anything else is removed. */
export async function keepPart(remote: RemoteFile, part: string): Promise<number> {
  const note = await readNote(part);
  const size = (await stat(part).catch(() => undefined))?.size ?? 0;
  if (size > 0 && remote.etag !== '' && note?.etag === remote.etag && size <= (remote.sizeBytes ?? size)) return size;
  await rm(part, { force: true });
  return 0;
}

/** Says of which content the part will be. Not written again when one is continued: on a full disk it would be lost. */
export async function notePart({ etag, sizeBytes }: RemoteFile, part: string): Promise<void> {
  await writeFile(`${part}.json`, JSON.stringify({ etag, sizeBytes: sizeBytes ?? null })).catch((cause) => rethrowDisk(cause, part));
}

/** How long the whole of a part will be; 0 where nobody knows. */
export async function wholeBytes(part: string): Promise<number> {
  const size = (await readNote(part))?.sizeBytes;
  return typeof size === 'number' && Number.isSafeInteger(size) && size > 0 ? size : 0;
}

/** What of a file is not here yet; 0 where its length is not known. */
export async function missingBytes(remote: RemoteFile, path: string): Promise<number> {
  if (remote.sizeBytes === undefined) return 0;
  const { size } = (await stat(path).catch(() => undefined)) ?? { size: -1 };
  return size === remote.sizeBytes ? 0 : remote.sizeBytes - (await keepPart(remote, `${path}.part`));
}

async function readNote(part: string): Promise<PartNote | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(`${part}.json`, 'utf8'));
    return typeof note === 'object' && note !== null ? note : undefined;
  } catch {
    return undefined;
  }
}
