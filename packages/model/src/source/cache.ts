import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { makeFolder } from '../file/disk-room.js';
import { writeFileAtomically } from '../file/write-atomic.js';
import type { Environment } from './progress.js';
import { checkRelativePath } from './reference.js';

export interface CachedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** What the cache records beside a model. */
export interface CacheRecord {
  readonly formatVersion: 1;
  readonly reference: string;
  readonly source: 'hf' | 'pypi';
  /** What to open, relative to the entry's `files` folder; empty for the folder itself. */
  readonly main: string;
  readonly files: readonly CachedFile[];
  readonly created: string;
}

/** Folder layouts of other versions are left alone and ignored. */
const layout = 'v1';
const recordName = 'entry.json';

/** The platform's folder for caches, or GATESKIP_CACHE_DIR. */
export async function cacheFolder(env: Environment, override?: string): Promise<string> {
  if (override) return override;
  if (env.GATESKIP_CACHE_DIR) return env.GATESKIP_CACHE_DIR;
  const { default: envPaths } = await import('env-paths');
  return envPaths('gateskip', { suffix: '' }).cache;
}

export const modelsFolder = (cacheDir: string): string => join(cacheDir, 'models', layout);

/** Folder of a reference: readable, and unlike that of any other, also where file names have no case. */
export function entryFolder(cacheDir: string, reference: string): string {
  const readable = reference
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 80);
  const hash = createHash('sha256').update(reference).digest('hex').slice(0, 12);
  return join(modelsFolder(cacheDir), `${readable}-${hash}`);
}

export const filesFolder = (entry: string): string => join(entry, 'files');
export const mainPath = (entry: string, record: CacheRecord): string =>
  record.main === '' ? filesFolder(entry) : join(filesFolder(entry), record.main);

/** Reads an entry's record; a text saying what is wrong where it cannot be trusted, undefined where there is none. */
export async function readRecord(entry: string): Promise<CacheRecord | string | undefined> {
  let text: string;
  try {
    text = await readFile(join(entry, recordName), 'utf8');
  } catch {
    return undefined;
  }
  try {
    const record = JSON.parse(text) as CacheRecord;
    const isSound =
      record.formatVersion === 1 &&
      typeof record.reference === 'string' &&
      (record.source === 'hf' || record.source === 'pypi') &&
      Array.isArray(record.files) &&
      record.files.length > 0 &&
      record.files.every(
        (file) => Number.isSafeInteger(file.sizeBytes) && /^[0-9a-f]{64}$/.test(file.sha256) && checkRelativePath(file.name),
      ) &&
      (record.main === '' || record.files.some((file) => file.name === record.main));
    if (!isSound) return 'its record is of another version or damaged';
    const root = await realpath(entry).catch(() => entry);
    for (const file of record.files) {
      const path = join(filesFolder(entry), file.name);
      const found = await stat(path).catch(() => undefined);
      // Names are plain; a link could still lead to a file that nobody meant to give away.
      if (found && !(await realpath(path)).startsWith(root + sep)) return `"${file.name}" is a link that leads out of the cache`;
      if (found?.size !== file.sizeBytes) return `"${file.name}" has ${found?.size ?? 'no'} bytes, ${file.sizeBytes} were stored`;
    }
    return record;
  } catch (error) {
    return `its record cannot be read (${(error as Error).message})`;
  }
}

export async function writeRecord(entry: string, record: CacheRecord): Promise<void> {
  await makeFolder(entry);
  await writeFileAtomically(join(entry, recordName), [Buffer.from(`${JSON.stringify(record, null, 2)}\n`)]);
}

/** Hashes an entry's files; a text saying which differs from its record. */
export async function verifyFiles(
  entry: string,
  record: CacheRecord,
  onProgress: (done: number, total: number) => void,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const total = record.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  let before = 0;
  for (const file of record.files) {
    const sha256 = await hashFile(join(filesFolder(entry), file.name), (done) => onProgress(before + done, total), signal);
    if (sha256 !== file.sha256) return `"${file.name}" has sha256 ${sha256}, ${file.sha256} was stored`;
    before += file.sizeBytes;
  }
  return undefined;
}

export async function hashFile(path: string, onProgress: (done: number) => void = () => undefined, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  let done = 0;
  await pipeline(
    createReadStream(path, { highWaterMark: 1 << 20 }),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        onProgress((done += chunk.length));
      }
    },
    ...(signal ? [{ signal }] : []),
  );
  return hash.digest('hex');
}

/** Folders of all entries, complete or not. */
export async function entryFolders(cacheDir: string): Promise<string[]> {
  const root = modelsFolder(cacheDir);
  const found = await readdir(root, { withFileTypes: true }).catch(() => []);
  return found
    .filter((item) => item.isDirectory() && !item.name.endsWith('.lock'))
    .map((item) => join(root, item.name))
    .sort();
}

export async function removeEntry(entry: string): Promise<void> {
  // The record first: what is half removed is then no entry.
  await rm(join(entry, recordName), { force: true });
  await rm(entry, { recursive: true, force: true });
}

/** Length of all files in a folder that may change meanwhile. */
export async function folderBytes(folder: string): Promise<number> {
  let total = 0;
  const items = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  for (const item of items) if (item.isFile()) total += (await stat(join(item.parentPath, item.name)).catch(() => ({ size: 0 }))).size;
  return total;
}
