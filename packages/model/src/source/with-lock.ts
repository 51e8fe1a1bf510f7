// Other packages compile this source too, and only what it refers to comes along.
/// <reference path="./proper-lockfile.d.ts" />

import { rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelIoError } from '../errors.js';
import { makeFolder, rethrowIo } from '../file/disk-room.js';
import { readJsonObject } from '../file/read-json.js';
import type { LockHolder } from './progress.js';

const updateMs = 2_000;
/** A holder that has not touched its lock for this long is dead. */
const staleMs = 20_000;
/** The same where its process is gone from this machine: three touches missed, so that a wrong guess does no harm. */
const goneStaleMs = 7_000;
const pollMs = 250;

/**
 * Runs `work` while this process alone holds `lockPath`. Others wait, calling `onWait`, and take over from a dead holder.
 * `work` gets a signal that also fires when the lock is lost (the machine slept, somebody removed it).
 */
export async function withLock<T>(
  lockPath: string,
  signal: AbortSignal | undefined,
  onWait: (holder: LockHolder | undefined) => void | Promise<void>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await makeFolder(dirname(lockPath));
  const { default: properLockfile } = await import('proper-lockfile').then((module) => ({ default: module }));
  const lost = new AbortController();
  let holder: LockHolder | undefined;
  for (;;) {
    signal?.throwIfAborted();
    let release: () => Promise<void>;
    try {
      release = await properLockfile.lock(lockPath, {
        lockfilePath: lockPath,
        realpath: false,
        stale: isGone(holder) ? goneStaleMs : staleMs,
        update: updateMs,
        onCompromised: (error) => lost.abort(new ModelIoError(`The lock ${lockPath} was lost: ${error.message}.`, { what: lockPath })),
      });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ELOCKED') return await rethrowIo(cause, lockPath, `Cannot lock ${lockPath}`);
      holder = await readHolder(lockPath);
      await onWait(holder);
      await sleep(pollMs, undefined, signal ? { signal } : {});
      continue;
    }
    try {
      await noteHolder(lockPath);
      return await work(signal ? AbortSignal.any([signal, lost.signal]) : lost.signal);
    } finally {
      if (!lost.signal.aborted) await rm(holderPath(lockPath), { force: true }).catch(() => undefined);
      await release().catch(() => undefined);
    }
  }
}

/** Beside the lock, which is an empty folder. It only informs: the lock holds without it. */
const holderPath = (lockPath: string): string => `${lockPath}.json`;

async function noteHolder(lockPath: string): Promise<void> {
  const note = JSON.stringify({ pid: process.pid, host: hostname(), since: Date.now() });
  await writeFile(holderPath(lockPath), note).catch(() => undefined);
}

async function readHolder(lockPath: string): Promise<LockHolder | undefined> {
  const { pid, host, since } = (await readJsonObject(holderPath(lockPath), 4096).catch(() => undefined)) ?? {};
  if (!Number.isSafeInteger(pid) || (pid as number) <= 0 || typeof host !== 'string' || typeof since !== 'number') return undefined;
  return { pid: pid as number, host, elapsedMs: Math.max(0, Date.now() - since) };
}

/** Whether a process of this machine is no more. Nothing is known of those on others that share the folder. */
function isGone(holder: LockHolder | undefined): boolean {
  if (holder?.host !== hostname()) return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
