import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AbortedError } from '@gateskip/errors';
import { printable } from '../errors.js';
import { makeFolder, rethrowDisk } from '../file/disk-room.js';
import { hashFile } from './cache.js';
import { DownloadError, DownloadMismatchError } from './errors.js';
import { keepPart, notePart } from './part-file.js';
import type { FetchContext } from './progress.js';

/** What a server says about a file before it is fetched. */
export interface RemoteFile {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Identity of the content: a partial file is continued only under the same one. */
  readonly etag: string;
  readonly sizeBytes?: number | undefined;
  readonly sha256?: string | undefined;
}

export interface Fetched {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Longest file that is fetched when the server does not say its length. */
const maxUnknownBytes = 64 * 1024 ** 3;
const attempts = 5;

/**
 * Fetches a file to `path`: into `path.part`, continued where an earlier attempt stopped if the content is still the
 * same, checked as a whole (length, sha256), then renamed. A mismatch is fetched again once, then it is an error.
 * @returns length and sha256 of what is now at `path`
 */
export async function downloadFile(remote: RemoteFile, path: string, context: FetchContext): Promise<Fetched> {
  await makeFolder(dirname(path));
  const whole = await finishedBefore(remote, path, context);
  if (whole) return whole;
  const part = `${path}.part`;
  for (let round = 0; ; round++) {
    await fetchPart(remote, part, context);
    const problem = await verify(remote, part, context);
    if (typeof problem !== 'string') {
      await rename(part, path);
      await rm(`${part}.json`, { force: true });
      return problem;
    }
    await rm(part, { force: true });
    await rm(`${part}.json`, { force: true });
    if (round > 0) throw new DownloadMismatchError(`${printable(remote.url)}: ${problem}, twice.`, { what: remote.url });
  }
}

/** A file of a set that was never completed: it counts only if its hash is known and right. */
async function finishedBefore(remote: RemoteFile, path: string, context: FetchContext): Promise<Fetched | undefined> {
  if ((await stat(path).catch(() => undefined)) === undefined) return undefined;
  const found = remote.sha256 === undefined ? '' : await verify(remote, path, context);
  if (typeof found !== 'string') return found;
  await rm(path, { force: true });
  return undefined;
}

async function verify(remote: RemoteFile, part: string, { onProgress, signal }: FetchContext): Promise<Fetched | string> {
  const { size } = await stat(part);
  if (remote.sizeBytes !== undefined && size !== remote.sizeBytes) return `${size} bytes arrived, ${remote.sizeBytes} were promised`;
  const sha256 = await hashFile(part, (done) => onProgress({ phase: 'verify', done, total: size }), signal);
  if (remote.sha256 !== undefined && sha256 !== remote.sha256) return `what arrived has sha256 ${sha256}, ${remote.sha256} was promised`;
  return { sizeBytes: size, sha256 };
}

/** Fills `part` up to the file's length, over several connections if they break. */
async function fetchPart(remote: RemoteFile, part: string, context: FetchContext): Promise<void> {
  let have = await keepPart(remote, part);
  if (have === 0) await notePart(remote, part);
  let failures = 0;
  // Only bytes beyond what was ever reached count as progress: a server that promises more than it has is no endless loop.
  let reached = have;
  for (;;) {
    if (remote.sizeBytes !== undefined && have === remote.sizeBytes && have > 0) return;
    try {
      const outcome = await fetchOnce(remote, part, have, context);
      have = outcome.have;
      if (outcome.complete) return;
    } catch (error) {
      if (context.signal?.aborted)
        throw context.signal.reason instanceof Error && context.signal.reason.name !== 'AbortError'
          ? context.signal.reason
          : new AbortedError('The download');
      if (!(error instanceof BrokenConnection)) throw error;
      have = (await stat(part).catch(() => undefined))?.size ?? 0;
      failures = have > reached ? 0 : failures + 1;
      reached = Math.max(reached, have);
      if (failures >= attempts)
        throw new DownloadError(
          `${printable(remote.url)}: ${error.message}, ${attempts} times. ${have} bytes are kept.`,
          'Try again later; the download goes on where it stopped.',
          { what: remote.url },
        );
      await sleep(Math.min(100 * 4 ** failures, 5000), undefined, context.signal ? { signal: context.signal } : {}).catch(() => undefined);
    }
  }
}

/** The connection failed in a way that another attempt may cure. */
class BrokenConnection extends Error {}

async function fetchOnce(
  remote: RemoteFile,
  part: string,
  have: number,
  context: FetchContext,
): Promise<{ have: number; complete: boolean }> {
  const idle = new AbortController();
  const signal = context.signal ? AbortSignal.any([context.signal, idle.signal]) : idle.signal;
  let timer = setTimeout(() => idle.abort(), Math.max(context.connectTimeoutMs, 1));
  const touch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => idle.abort(), context.idleTimeoutMs);
  };
  const broken = (error: unknown): never => {
    if (context.signal?.aborted) throw error;
    throw new BrokenConnection(idle.signal.aborted ? 'the server stood still' : connectionReason(error));
  };
  try {
    const headers = {
      ...remote.headers,
      'accept-encoding': 'identity',
      ...(have > 0 ? { range: `bytes=${have}-` } : {}),
      // Without a hash nothing else would tell that the rest belongs to another file.
      ...(have > 0 && remote.sha256 === undefined && remote.etag !== '' ? { 'if-range': `"${remote.etag}"` } : {}),
    };
    const response = await fetch(remote.url, { headers, signal }).catch(broken);
    touch();
    if (response.status === 416) {
      // What we have is as long as or longer than the file: the check of length and hash decides, or we start over.
      await response.body?.cancel();
      if (remote.sizeBytes === undefined && have > 0) return { have, complete: true };
      await rm(part, { force: true });
      throw new BrokenConnection('the server refused the range');
    }
    if (response.status === 429 || response.status >= 500) throw new BrokenConnection(`the server answered ${response.status}`);
    if (response.status !== 200 && response.status !== 206)
      throw new DownloadError(`${printable(remote.url)}: the server answered ${response.status}.`, undefined, {
        what: remote.url,
        got: response.status,
      });
    if (/^text\/html/i.test(response.headers.get('content-type') ?? ''))
      throw new DownloadMismatchError(`${printable(remote.url)}: a web page came instead of the file.`, { what: remote.url });
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    const start = response.status === 206 ? Number(range?.[1] ?? Number.NaN) : 0;
    if (start !== 0 && start !== have)
      throw new DownloadMismatchError(`${printable(remote.url)}: the server sent another range than the one from ${have}.`, {
        what: remote.url,
      });
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const total = remote.sizeBytes ?? (Number.isFinite(length) ? start + length : undefined);
    return await receive(response, part, start, total, remote, context, touch, broken);
  } finally {
    clearTimeout(timer);
    // What is not read any more must not go on arriving.
    idle.abort();
  }
}

async function receive(
  response: Response,
  part: string,
  start: number,
  total: number | undefined,
  remote: RemoteFile,
  { onProgress }: FetchContext,
  touch: () => void,
  broken: (error: unknown) => never,
): Promise<{ have: number; complete: boolean }> {
  const file: FileHandle = await open(part, start === 0 ? 'w' : 'r+').catch((cause) => rethrowDisk(cause, part));
  let at = start;
  try {
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    for (;;) {
      const { done, value } = await reader.read().catch(broken);
      if (done) break;
      touch();
      if (at + value.length > (total ?? maxUnknownBytes)) {
        await reader.cancel();
        throw new DownloadMismatchError(`${printable(remote.url)}: more than the promised ${total ?? maxUnknownBytes} bytes came.`, {
          what: remote.url,
        });
      }
      for (let written = 0; written < value.length; ) {
        const { bytesWritten } = await file
          .write(value, written, value.length - written, at + written)
          .catch((cause) => rethrowDisk(cause, part, total === undefined ? {} : { neededBytes: total - at - written }));
        written += bytesWritten;
      }
      at += value.length;
      onProgress({ phase: 'download', done: at, total: total ?? 0 });
    }
    await file.sync().catch((cause) => rethrowDisk(cause, part));
  } finally {
    await file.close().catch((cause) => rethrowDisk(cause, part));
  }
  if (total !== undefined && at < total) throw new BrokenConnection(`the connection ended after ${at} of ${total} bytes`);
  return { have: at, complete: true };
}

/** Why a fetch failed, in words: undici hides the reason in `cause`. */
export function connectionReason(error: unknown): string {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  return printable(cause?.code ?? cause?.message ?? (error as Error).message);
}

/** sha1 as git computes it for a blob: what the hub gives as etag for small files. */
export async function gitBlobSha1(path: string): Promise<string> {
  const bytes = await readFile(path);
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}
