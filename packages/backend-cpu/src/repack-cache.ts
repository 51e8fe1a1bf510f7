import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, type Model } from '@gateskip/model';

/** Environment variable that turns the cache of repacked weights on (1) or off (0), where no option does. */
export const REPACK_CACHE_VARIABLE = 'GATESKIP_REPACK_CACHE';

/** Bytes that the files of the cache may take together, where no option says so. */
export const DEFAULT_REPACK_CACHE_BYTES = 8 * 2 ** 30;

const suffix = '.packed';
/** What a crashed writer left is not touched earlier than this: a live one may still write it. */
const staleTemporaryMs = 3_600_000;

/** Where the weights of one model lie, or will lie; see kernels/cpu/src/packed-cache.h. */
export interface RepackCacheRequest {
  readonly path: string;
  readonly key: string;
}

export interface RepackCacheReport {
  /** Whether loads use it, where no option says otherwise. */
  readonly enabled: boolean;
  readonly folder: string;
  readonly files: number;
  readonly bytes: number;
}

/** What the cache of repacked weights holds. Makes nothing. */
export async function inspectRepackCache(env: Readonly<Record<string, string | undefined>> = process.env): Promise<RepackCacheReport> {
  const folder = await repackFolder(env);
  const files = await packedFiles(folder);
  return { enabled: isRepackCacheOn(env), folder, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
}

export const isRepackCacheOn = (env: Readonly<Record<string, string | undefined>>): boolean =>
  /^(1|true|on|yes)$/i.test(env[REPACK_CACHE_VARIABLE] ?? '');

/**
 * The cache file of a model, in a folder that only this user may write.
 *
 * @param layoutVersion of the addon's packed form
 * @throws where the folder cannot be made
 */
export async function repackCacheRequest(model: Model, layoutVersion: number, env = process.env): Promise<RepackCacheRequest> {
  const folder = await repackFolder(env);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const directory = [...model.tensors.values()].map(({ name, type, rows, columns, data }) => [
    name,
    type,
    rows,
    columns,
    data.kind === 'file' ? data.offset : -1,
  ]);
  const key = JSON.stringify([model.fingerprint, directory]);
  const name = `${model.fingerprint.slice(0, 32)}-${createHash('sha256').update(key).digest('hex').slice(0, 16)}-v${layoutVersion}`;
  return { path: join(folder, name + suffix), key };
}

/**
 * Removes the files that were used longest ago until the rest takes `mostBytes` at most, and what crashed writers left. A
 * process that has a removed file mapped keeps it until it ends.
 */
export async function evictRepackCache(mostBytes: number, env = process.env): Promise<void> {
  const folder = await repackFolder(env);
  const files = (await packedFiles(folder)).sort((a, b) => b.usedMs - a.usedMs);
  let bytes = 0;
  for (const file of files) {
    bytes += file.bytes;
    if (bytes > mostBytes) await rm(file.path, { force: true });
  }
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.tmp')) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > staleTemporaryMs) await rm(path, { force: true });
  }
}

const repackFolder = async (env: Readonly<Record<string, string | undefined>>): Promise<string> => join(await cacheFolder(env), 'repacked');

async function packedFiles(folder: string): Promise<{ path: string; bytes: number; usedMs: number }[]> {
  const out: { path: string; bytes: number; usedMs: number }[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith(suffix)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) out.push({ path, bytes: found.size, usedMs: found.mtimeMs });
  }
  return out;
}
