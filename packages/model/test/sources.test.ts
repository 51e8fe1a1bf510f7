import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  isModelReference,
  listCachedModels,
  loadModel,
  type ResolveOptions,
  removeCachedModel,
  resolveModel,
  type SourceProgress,
} from '../src/index.js';
import { entryFolder } from '../src/source/cache.js';
import { FakeHub, sha256 } from './support/fake-hub.js';
import { testFolder } from './support/folder.js';
import { checkpointConfig, checkpointTokenizer } from './support/tiny-checkpoint.js';
import { tinyGguf } from './support/tiny-gguf.js';

const folder = testFolder();
const hub = new FakeHub();
const model = tinyGguf();
const name = 'tiny.Q8_0.gguf';
const reference = `hf:o/r/${name}`;
let cacheDir: string;

beforeAll(() => hub.start());
afterAll(() => hub.stop());
beforeEach(() => {
  hub.reset();
  hub.files.set(name, model);
  cacheDir = mkdtempSync(join(folder, 'cache-'));
});

const options = (more: Partial<ResolveOptions> = {}): ResolveOptions => ({
  cacheDir,
  env: { HF_ENDPOINT: hub.endpoint },
  connectTimeoutMs: 2000,
  ...more,
});
const entryOf = (text = reference): string => entryFolder(cacheDir, text);
const filesOf = (text = reference): string[] =>
  existsSync(join(entryOf(text), 'files')) ? readdirSync(join(entryOf(text), 'files')).sort() : [];
const partOf = (bytes: Uint8Array, etag = sha256(model)): void => {
  mkdirSync(join(entryOf(), 'files'), { recursive: true });
  writeFileSync(join(entryOf(), 'files', `${name}.part`), bytes);
  writeFileSync(join(entryOf(), 'files', `${name}.part.json`), JSON.stringify({ etag, sizeBytes: model.length }));
};
const bodyRequests = () => hub.requests.filter((request) => request.method === 'GET' && request.url.startsWith('/cdn/'));

describe('a hub', () => {
  it('gives a file once, then it comes from the cache', async () => {
    const seen: SourceProgress[] = [];
    const found = await resolveModel(reference, options({ onProgress: (progress) => seen.push(progress) }));
    expect(found).toEqual({
      path: join(entryOf(), 'files', name),
      reference,
      source: 'hf',
      sizeBytes: model.length,
      sha256: sha256(model),
    });
    expect(sha256(readFileSync(found.path))).toBe(sha256(model));
    expect(new Set(seen.map((progress) => progress.phase))).toEqual(new Set(['resolve', 'download', 'verify']));
    expect(seen.filter((progress) => progress.phase === 'download').at(-1)).toMatchObject({ done: model.length, total: model.length });
    const before = hub.requests.length;
    expect(await resolveModel(reference, options({ offline: true }))).toEqual(found);
    expect(hub.requests.length).toBe(before);
    const opened = await loadModel(reference, options());
    expect(opened.config.name).toBe('tiny');
    await opened.close();
  });

  it('lists a repository: a GGUF of a known type is preferred', async () => {
    hub.files.set('tiny.Q6_K.gguf', new Uint8Array(8));
    hub.files.set('README.md', new Uint8Array(8));
    expect((await resolveModel('hf:o/r', options())).path).toBe(join(entryOf('hf:o/r'), 'files', name));
    expect(hub.requests.find((request) => request.url.includes('/resolve/'))?.url).toContain('a'.repeat(40));
  });

  it('lists a repository: a checkpoint is fetched as a set', async () => {
    hub.reset();
    hub.files.set('config.json', Buffer.from(JSON.stringify(checkpointConfig)));
    hub.files.set('tokenizer.json', Buffer.from(JSON.stringify(checkpointTokenizer)));
    hub.files.set('model.safetensors', Buffer.from('not really'));
    const found = await resolveModel('hf:o/r@v1', options());
    expect(readdirSync(found.path).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
  });

  it('gets the token, and says what a refusal means', async () => {
    hub.faults.needToken = 'secret';
    await expect(resolveModel(reference, options())).rejects.toMatchObject({
      code: 'GS_DOWNLOAD',
      message: expect.stringMatching(/401.*HF_TOKEN/),
    });
    await resolveModel(reference, options({ env: { HF_ENDPOINT: hub.endpoint, HF_TOKEN: 'secret' } }));
  });

  it.each([
    ['a name that is not there', 'hf:o/r/other.gguf', /404/],
    ['a repository without a model', 'hf:o/r', /neither/],
  ])('%s', async (_name, text, message) => {
    hub.reset();
    await expect(resolveModel(text, options())).rejects.toMatchObject({ code: 'GS_DOWNLOAD', message: expect.stringMatching(message) });
    expect(existsSync(entryOf(text))).toBe(false);
  });

  it('that does not answer is given up on in time', async () => {
    hub.faults.hang = true;
    await expect(resolveModel(reference, options({ connectTimeoutMs: 150 }))).rejects.toMatchObject({
      code: 'GS_DOWNLOAD',
      message: expect.stringContaining('150 ms'),
    });
  });
});

describe('a bad connection', () => {
  it('that breaks is continued where it stopped', async () => {
    hub.faults = { cutAfter: 10_000, cutTimes: 2 };
    const found = await resolveModel(reference, options());
    expect(sha256(readFileSync(found.path))).toBe(sha256(model));
    const ranges = bodyRequests().map((request) => request.range);
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[2]).toMatch(/^bytes=[1-9]/);
  });

  it('that breaks for ever keeps what came, and the next pull goes on', async () => {
    hub.faults = { cutAfter: 0 };
    await expect(resolveModel(reference, options())).rejects.toMatchObject({
      code: 'GS_DOWNLOAD',
      message: expect.stringContaining('5 times'),
    });
    partOf(model.subarray(0, 30_000));
    hub.faults = {};
    hub.requests.length = 0;
    expect(sha256(readFileSync((await resolveModel(reference, options())).path))).toBe(sha256(model));
    expect(bodyRequests().map((request) => request.range)).toEqual(['bytes=30000-']);
  });

  it('a part of other content is not continued', async () => {
    partOf(new Uint8Array(30_000), 'b'.repeat(64));
    expect(sha256(readFileSync((await resolveModel(reference, options())).path))).toBe(sha256(model));
    expect(bodyRequests().map((request) => request.range)).toEqual([undefined]);
  });

  it('a part that is damaged is found by the hash and fetched anew', async () => {
    partOf(new Uint8Array(30_000));
    expect(sha256(readFileSync((await resolveModel(reference, options())).path))).toBe(sha256(model));
    expect(bodyRequests().map((request) => request.range)).toEqual(['bytes=30000-', undefined]);
  });

  it.each([
    ['the same', 'first', ['bytes=30000-']],
    ['another, though it was the same when asked', 'second', ['bytes=30000-']],
  ])('a part of a file without a known hash is continued only if its etag is still the same: %s', async (_name, etag, ranges) => {
    hub.faults = { plainEtag: 'first', laterEtag: etag };
    partOf(etag === 'first' ? model.subarray(0, 30_000) : new Uint8Array(30_000), 'first');
    const found = await resolveModel(reference, options());
    expect(sha256(readFileSync(found.path))).toBe(sha256(model));
    expect(hub.requests.filter(({ method }) => method === 'GET').map((request) => request.range)).toEqual(ranges);
  });

  it('a part that is whole is only checked', async () => {
    partOf(model);
    await resolveModel(reference, options());
    expect(bodyRequests()).toHaveLength(0);
  });

  it.each([
    ['ignores the range', { ignoreRange: true }],
    ['refuses the range (416)', { refuseRange: true }],
    ['answers 503 twice', { status: 503, statusTimes: 2 }],
    ['sends other bytes once', { corrupt: new Uint8Array(model.length), corruptTimes: 1 }],
  ])('a server that %s still gives the file', async (_name, faults) => {
    partOf(model.subarray(0, 1000));
    hub.faults = faults;
    expect(sha256(readFileSync((await resolveModel(reference, options())).path))).toBe(sha256(model));
  });

  it.each([
    ['other bytes every time', { corrupt: new Uint8Array(model.length) }, /sha256.*twice/],
    ['more bytes than promised', { corrupt: new Uint8Array(model.length + 1) }, /more than the promised/],
    ['a web page', { html: true }, /web page/],
    ['another range', { wrongRange: true }, /another range/],
  ])('%s: refused, and nothing lies under the final name', async (_name, faults, message) => {
    if ('wrongRange' in faults) partOf(model.subarray(0, 1000));
    hub.faults = faults;
    await expect(resolveModel(reference, options())).rejects.toMatchObject({
      code: 'GS_DOWNLOAD_MISMATCH',
      message: expect.stringMatching(message),
    });
    expect(filesOf()).not.toContain(name);
    expect(await listCachedModels({ cacheDir })).not.toContainEqual(expect.objectContaining({ reference }));
  });

  it('fewer bytes than promised: what came is kept, then an error', async () => {
    hub.faults = { corrupt: model.subarray(0, 500) };
    await expect(resolveModel(reference, options())).rejects.toMatchObject({ code: expect.stringMatching(/^GS_DOWNLOAD/) });
    expect(filesOf()).not.toContain(name);
  });

  it('an abort ends it and keeps the part', async () => {
    hub.faults = { cutAfter: 20_000, cutTimes: 1, delayMs: 5000 };
    const stop = new AbortController();
    const pending = resolveModel(
      reference,
      options({ signal: stop.signal, onProgress: ({ phase }) => phase === 'download' && setTimeout(() => stop.abort(), 50) }),
    );
    await expect(pending).rejects.toMatchObject({ code: 'GS_ABORTED' });
    expect(filesOf()).toEqual([`${name}.part`, `${name}.part.json`]);
  });
});

describe('the cache', () => {
  it('two at once fetch one copy; the second waits and says so', async () => {
    hub.faults.delayMs = 600;
    const phases: [string[], string[]] = [[], []];
    const [first, second] = await Promise.all(
      phases.map((seen) => resolveModel(reference, options({ onProgress: ({ phase }) => seen.push(phase) }))),
    );
    expect(second).toEqual(first);
    expect(bodyRequests()).toHaveLength(1);
    // Either of the two may have come first; the other one only waits.
    const [waiter, loader] = phases[0].includes('wait') ? phases : [phases[1], phases[0]];
    expect(new Set(waiter)).toEqual(new Set(['wait']));
    expect(loader).toEqual(expect.arrayContaining(['resolve', 'download', 'verify']));
    expect(loader).not.toContain('wait');
  });

  it.each([
    ['is right', model, 0],
    ['is damaged', new Uint8Array(model.length), 1],
    ['is short', model.subarray(0, 1000), 1],
  ])('a finished file without a record (the process died before it wrote one) that %s', async (_name, bytes, downloads) => {
    mkdirSync(join(entryOf(), 'files'), { recursive: true });
    writeFileSync(join(entryOf(), 'files', name), bytes);
    expect(sha256(readFileSync((await resolveModel(reference, options())).path))).toBe(sha256(model));
    expect(bodyRequests()).toHaveLength(downloads);
    expect(await listCachedModels({ cacheDir, check: true })).toMatchObject([{ reference, sha256: sha256(model) }]);
  });

  it('the lock of a dead process is taken over', async () => {
    const lock = `${entryOf()}.lock`;
    mkdirSync(lock, { recursive: true });
    const longAgo = new Date(Date.now() - 3_600_000);
    utimesSync(lock, longAgo, longAgo);
    expect((await resolveModel(reference, options())).sizeBytes).toBe(model.length);
  });

  it('a file of another length is fetched again', async () => {
    const { path } = await resolveModel(reference, options());
    truncateSync(path, 100);
    expect(await listCachedModels({ cacheDir })).toMatchObject([{ damaged: expect.stringContaining('100 bytes') }]);
    expect(statSync((await resolveModel(reference, options())).path).size).toBe(model.length);
  });

  it('a changed byte is found by a check, and fetched again', async () => {
    const { path } = await resolveModel(reference, options());
    const bytes = readFileSync(path);
    bytes[5000] = (bytes[5000] as number) ^ 1;
    writeFileSync(path, bytes);
    expect((await listCachedModels({ cacheDir }))[0]?.damaged).toBeUndefined();
    expect((await listCachedModels({ cacheDir, check: true }))[0]?.damaged).toContain('sha256');
    await resolveModel(reference, options({ verify: true }));
    expect(sha256(readFileSync(path))).toBe(sha256(model));
  });

  it.each([
    '',
    '{',
    '{"formatVersion":2}',
    JSON.stringify({
      formatVersion: 1,
      reference: 'x',
      source: 'hf',
      main: '../../x',
      files: [{ name: '../../x', sizeBytes: 1, sha256: 'a'.repeat(64) }],
    }),
  ])('a record that is not ours (%j) counts as damage', async (text) => {
    await resolveModel(reference, options());
    writeFileSync(join(entryOf(), 'entry.json'), text);
    expect(await listCachedModels({ cacheDir })).toMatchObject([{ damaged: expect.any(String) }]);
    expect((await resolveModel(reference, options())).sizeBytes).toBe(model.length);
  });

  it.skipIf(process.platform === 'win32')(
    'a link that leads out of it is damage; the file is fetched, and what it led to is left alone',
    async () => {
      const { path } = await resolveModel(reference, options());
      const secret = join(cacheDir, 'secret');
      writeFileSync(secret, new Uint8Array(model.length));
      rmSync(path);
      symlinkSync(secret, path);
      expect(await listCachedModels({ cacheDir })).toMatchObject([{ damaged: expect.stringContaining('leads out of the cache') }]);
      expect(sha256(readFileSync((await resolveModel(reference, options())).path))).toBe(sha256(model));
      expect(readFileSync(secret).every((byte) => byte === 0)).toBe(true);
    },
  );

  it.skipIf(process.platform === 'win32')('may itself lie behind a link', async () => {
    const linked = `${cacheDir}-linked`;
    symlinkSync(cacheDir, linked);
    await resolveModel(reference, options({ cacheDir: linked }));
    expect(await resolveModel(reference, options({ cacheDir: linked, offline: true }))).toMatchObject({ sizeBytes: model.length });
  });

  it('of another layout is ignored and left alone', async () => {
    const other = join(cacheDir, 'models', 'v0', 'hf-o-r-000000000000');
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, 'entry.json'), JSON.stringify({ formatVersion: 0, reference }));
    expect(await listCachedModels({ cacheDir })).toEqual([]);
    await resolveModel(reference, options());
    expect(await removeCachedModel(reference, { cacheDir })).toBe(1);
    expect(existsSync(join(other, 'entry.json'))).toBe(true);
  });

  it('removes by reference or id, and nothing else', async () => {
    await resolveModel(reference, options());
    expect(await removeCachedModel('../../etc', { cacheDir })).toBe(0);
    expect(await removeCachedModel('.', { cacheDir })).toBe(0);
    expect(await removeCachedModel(reference, { cacheDir })).toBe(1);
    expect(await listCachedModels({ cacheDir })).toEqual([]);
    expect(await removeCachedModel(reference, { cacheDir })).toBe(0);
  });

  it('names that differ in case only have folders that differ in more', () => {
    const [lower, upper] = [entryOf('hf:o/r'), entryOf('hf:O/R')];
    expect(lower.toLowerCase()).not.toBe(upper.toLowerCase());
  });
});

describe('short names', () => {
  const names = new Map([
    [
      'tiny',
      { references: ['hf:o/gone/x.gguf', reference], pinned: { sizeBytes: model.length, sha256: sha256(model) }, license: 'Apache-2.0' },
    ],
  ]);

  it('try their sources in turn', async () => {
    expect(await resolveModel('tiny', options({ names }))).toMatchObject({ reference: 'tiny', source: 'hf', sha256: sha256(model) });
    expect(await resolveModel('tiny', options({ names, offline: true }))).toMatchObject({ reference: 'tiny' });
  });

  it('give every reason when all fail', async () => {
    hub.reset();
    const error = await resolveModel('tiny', options({ names })).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'GS_DOWNLOAD',
      fields: { reasons: [expect.stringContaining('hf:o/gone'), expect.stringContaining(reference)] },
    });
  });

  it('take no other file than the pinned one', async () => {
    hub.files.set(name, tinyGguf({ type: 'Q8_0' }));
    await expect(resolveModel('tiny', options({ names }))).rejects.toMatchObject({
      code: 'GS_DOWNLOAD',
      message: expect.stringContaining('expected'),
    });
    expect(filesOf()).not.toContain(name);
  });

  it('offline and not cached is an error without a request', async () => {
    await expect(resolveModel('tiny', options({ names, env: { HF_ENDPOINT: hub.endpoint, HF_HUB_OFFLINE: '1' } }))).rejects.toMatchObject({
      code: 'GS_DOWNLOAD',
    });
    expect(hub.requests).toHaveLength(0);
  });
});

describe('references', () => {
  const bad = [
    '',
    'x\u0000y',
    '\n',
    'hf:',
    'hf:a',
    'hf:../x',
    'hf:a/..',
    'hf:a/b/../../etc/passwd',
    'hf:a/b//x',
    'hf:a/b/.hidden',
    'hf:a/b@../x',
    'hf:a b/c',
    'hf:-a/b',
    'hf:a/b/x\\y.gguf',
    'hf:a/b/C:x',
    'hf:a/b/con.',
    `hf:a/${'b'.repeat(200)}`,
    'pypi:',
    'pypi:--index-url=x',
    'pypi:a b',
    'pypi:a;b',
    'pypi:a==1 --pre',
    'pypi:a/../x',
    'ftp:a/b',
    'http://host/x.gguf',
    'nobody-knows-this',
    'x'.repeat(5000),
    'SMOLLM2-135M',
  ];
  it.each(bad)('%j is refused', async (text) => {
    expect(isModelReference(text)).toBe(false);
    await expect(resolveModel(text, options())).rejects.toMatchObject({ code: 'GS_MODEL_NAME' });
  });

  it.each([
    'smollm2-135m',
    'hf:a/b',
    'hf:a/b@v1.0/c/d.gguf',
    'pypi:a',
    'pypi:a-b==1.0.post1/c/d.gguf',
    './x.gguf',
    '/x/y',
    'C:\\x\\y.gguf',
    'x.gguf',
  ])('%j is a reference', (text) => {
    expect(isModelReference(text)).toBe(true);
  });

  it('a path can be forbidden', async () => {
    const path = join(folder, 'here.gguf');
    writeFileSync(path, model);
    expect(await resolveModel(path)).toEqual({ path, reference: path, source: 'file', sizeBytes: model.length });
    await expect(resolveModel(path, { allowPaths: false })).rejects.toMatchObject({ code: 'GS_MODEL_NAME' });
    await expect(resolveModel(join(folder, 'gone.gguf'))).rejects.toMatchObject({ code: 'GS_MODEL_IO' });
  });
});
