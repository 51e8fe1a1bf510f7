import { basename, resolve } from 'node:path';
import { type CacheRecord, cacheFolder, entryFolders, mainPath, readRecord, removeEntry, verifyFiles } from './cache.js';
import type { Environment, SourceProgress } from './progress.js';
import { parseReference } from './reference.js';
import { shortNames } from './short-names.js';
import { withLock } from './with-lock.js';

/** A model in the cache, or what is left of one. */
export interface CachedModel {
  /** Name of its folder; for {@link removeCachedModel}. */
  readonly id: string;
  readonly reference?: string;
  readonly source?: 'hf' | 'pypi';
  readonly path?: string;
  readonly sizeBytes: number;
  readonly sha256?: string;
  readonly created?: string;
  /** What is wrong with it; such an entry is fetched again when it is asked for. */
  readonly damaged?: string;
}

export interface CacheOptions {
  readonly cacheDir?: string;
  readonly env?: Environment;
  /** Hash every file; default false: lengths are compared. */
  readonly check?: boolean;
  readonly onProgress?: (progress: SourceProgress) => void;
  readonly signal?: AbortSignal;
}

/** Lists what the cache holds. */
export async function listCachedModels(options: CacheOptions = {}): Promise<CachedModel[]> {
  const cacheDir = resolve(await cacheFolder(options.env ?? process.env, options.cacheDir));
  const models: CachedModel[] = [];
  for (const entry of await entryFolders(cacheDir)) {
    const record = await readRecord(entry);
    const id = basename(entry);
    if (record === undefined || typeof record === 'string') {
      models.push({ id, sizeBytes: 0, damaged: record ?? 'it was never completed' });
      continue;
    }
    const report = (done: number, total: number): void => options.onProgress?.({ phase: 'verify', done, total, what: record.reference });
    const damaged = options.check ? await verifyFiles(entry, record, report, options.signal) : undefined;
    models.push({ ...describe(entry, id, record), ...(damaged ? { damaged } : {}) });
  }
  return models;
}

/**
 * Removes models by id, reference or short name. Names are compared with what the cache lists, never made into paths.
 * @returns how many entries were removed
 */
export async function removeCachedModel(name: string, options: Pick<CacheOptions, 'cacheDir' | 'env' | 'signal'> = {}): Promise<number> {
  const cacheDir = resolve(await cacheFolder(options.env ?? process.env, options.cacheDir));
  const wanted = new Set([name, ...(shortNames.get(name)?.references ?? [])]);
  let removed = 0;
  for (const entry of await entryFolders(cacheDir)) {
    const record = await readRecord(entry);
    const reference = typeof record === 'object' ? record.reference : undefined;
    if (!wanted.has(basename(entry)) && !(reference !== undefined && wanted.has(reference))) continue;
    await withLock(
      `${entry}.lock`,
      options.signal,
      () => undefined,
      () => removeEntry(entry),
    );
    removed++;
  }
  return removed;
}

function describe(entry: string, id: string, record: CacheRecord): CachedModel {
  const only = record.files.length === 1 ? record.files[0] : undefined;
  return {
    id,
    reference: record.reference,
    source: record.source,
    path: mainPath(entry, record),
    sizeBytes: record.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    ...(only ? { sha256: only.sha256 } : {}),
    created: record.created,
  };
}

/** Whether a text is a reference that {@link resolveModel} would take, without touching disk or network. */
export function isModelReference(text: string): boolean {
  try {
    parseReference(text, new Set(shortNames.keys()));
    return true;
  } catch {
    return false;
  }
}
