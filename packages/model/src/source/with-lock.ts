// Other packages compile this source too, and only what it refers to comes along.
/// <reference path="./proper-lockfile.d.ts" />

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelIoError } from '../errors.js';

/** A holder that has not touched its lock for this long is dead. */
const staleMs = 20_000;
const updateMs = 5_000;
const pollMs = 250;

/**
 * Runs `work` while this process alone holds `lockPath`. Others wait, calling `onWait`, and take over from a dead holder.
 * `work` gets a signal that also fires when the lock is lost (the machine slept, somebody removed it).
 */
export async function withLock<T>(
  lockPath: string,
  signal: AbortSignal | undefined,
  onWait: () => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await mkdir(dirname(lockPath), { recursive: true }).catch((cause: Error) => {
    throw new ModelIoError(`Cannot make the cache folder ${dirname(lockPath)}: ${cause.message}.`, { what: lockPath }, { cause });
  });
  const { default: properLockfile } = await import('proper-lockfile').then((module) => ({ default: module }));
  const lost = new AbortController();
  for (;;) {
    signal?.throwIfAborted();
    let release: () => Promise<void>;
    try {
      release = await properLockfile.lock(lockPath, {
        lockfilePath: lockPath,
        realpath: false,
        stale: staleMs,
        update: updateMs,
        onCompromised: (error) => lost.abort(new ModelIoError(`The lock ${lockPath} was lost: ${error.message}.`, { what: lockPath })),
      });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ELOCKED')
        throw new ModelIoError(`Cannot lock ${lockPath}: ${(cause as Error).message}.`, { what: lockPath }, { cause });
      onWait();
      await sleep(pollMs, undefined, signal ? { signal } : {});
      continue;
    }
    try {
      return await work(signal ? AbortSignal.any([signal, lost.signal]) : lost.signal);
    } finally {
      await release().catch(() => undefined);
    }
  }
}
