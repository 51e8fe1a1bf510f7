import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listCachedModels, removeCachedModel, resolveModel } from '../../src/index.js';
import { sha256 } from '../support/fake-hub.js';
import { bodyRequests, cacheDir, entryOf, hub, model, name, options, reference, useHub } from '../support/hub-cache.js';

useHub();

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
