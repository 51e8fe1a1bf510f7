import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();
const env = { GATESKIP_CACHE_DIR: join(folder, 'cache') };

describe('gateskip pull and models', () => {
  it('finds a file, and prints where it is', async () => {
    const path = writeTinyModel(join(folder, 'tiny.gguf'));
    expect((await commandLine(['pull', path])).stdout).toBe(`${path}\n`);
    expect(documentOf(await commandLine(['pull', path, '--json']))).toMatchObject({ path, source: 'file', reference: path });
  });

  it('ends with 3 where nothing can be fetched', async () => {
    const ran = await commandLine(['pull', 'smollm2-135m', '--offline', '--json'], { env });
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([3, 'GS_DOWNLOAD']);
    expect(existsSync(env.GATESKIP_CACHE_DIR)).toBe(false);
  });

  it('lists an empty cache and the short names', async () => {
    const ran = await commandLine(['models'], { env });
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/Nothing is cached in .*cache/);
    expect(ran.stdout).toMatch(/smollm2-135m +93\.8 MiB +Apache-2\.0 +no/);
    expect(documentOf(await commandLine(['models', '--json'], { env }))).toMatchObject({
      models: [],
      shortNames: [{ name: 'smollm2-135m', cached: false }],
    });
  });

  it('lists, checks and removes what is cached', async () => {
    const entry = join(folder, 'full', 'models', 'v1', 'hf-owner-repo-000000000000');
    mkdirSync(join(entry, 'files'), { recursive: true });
    writeFileSync(join(entry, 'files', 'model.gguf'), 'hello');
    const sha256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
    const record = { formatVersion: 1, reference: 'hf:owner/repo', source: 'hf', main: 'model.gguf', created: '2026-01-01T00:00:00.000Z' };
    writeFileSync(join(entry, 'entry.json'), JSON.stringify({ ...record, files: [{ name: 'model.gguf', sizeBytes: 5, sha256 }] }));
    const full = { env: { GATESKIP_CACHE_DIR: join(folder, 'full') } };
    expect((await commandLine(['models', '--check'], full)).stdout).toMatch(/hf:owner\/repo +5 B +ok/);
    expect((await commandLine(['models', '--check'], full)).code).toBe(0);
    writeFileSync(join(entry, 'files', 'model.gguf'), 'jello');
    const damaged = await commandLine(['models', '--check', '--json'], full);
    expect([damaged.code, documentOf<{ models: { damaged: string }[] }>(damaged).models[0]?.damaged]).toEqual([
      3,
      expect.stringContaining('sha256'),
    ]);
    const missing = await commandLine(['models', '--remove', '../../etc', '--json'], full);
    expect([missing.code, documentOf<ErrorDocument>(missing).error.code]).toEqual([2, 'GS_NOT_CACHED']);
    expect((await commandLine(['models', '--remove', 'x', '--check'], full)).code).toBe(2);
    expect(documentOf(await commandLine(['models', '--remove', 'hf:owner/repo', '--json'], full))).toEqual({ removed: 1 });
    expect(existsSync(entry)).toBe(false);
  });
});

describe('gateskip backends and doctor', () => {
  it('says what runs here and why not', async () => {
    const ran = await commandLine(['backends', '--json']);
    expect(ran.code).toBe(0);
    const { backends, automatic } = documentOf<{ automatic: string; backends: { name: string; available: boolean; reasons: string[] }[] }>(
      ran,
    );
    expect(backends.map(({ name }) => name)).toEqual(['cpu', 'reference']);
    for (const { available, reasons } of backends) expect(reasons.length === 0).toBe(available);
    expect(automatic).toBe(backends.find(({ available }) => available)?.name);
    expect((await commandLine(['backends'])).stdout).toMatch(/reference: runs here \(precision float64/);
  });

  it('looks at machine, cache and tools', async () => {
    const ran = await commandLine(['doctor', '--json'], { env });
    expect(ran.code).toBe(0);
    expect(documentOf(ran)).toMatchObject({
      versions: { node: process.versions.node },
      machine: { platform: `${process.platform}-${process.arch}` },
      cache: { path: env.GATESKIP_CACHE_DIR, writable: true },
      repackedWeights: { enabled: false, files: 0, bytes: 0 },
      tools: [{ name: 'pip' }, { name: 'uv' }, { name: 'python' }],
    });
    expect((await commandLine(['doctor'], { env })).stdout).toMatch(/^gateskip +\d+\.\d+\.\d+\n/);
  });

  it('ends with 3 where the cache cannot be written', async () => {
    const path = join(folder, 'a-file');
    writeFileSync(path, '');
    chmodSync(path, 0o400);
    const ran = await commandLine(['doctor', '--json'], { env: { GATESKIP_CACHE_DIR: join(path, 'below') } });
    expect(ran.code).toBe(3);
    expect(documentOf<{ problems: string[] }>(ran).problems.join()).toMatch(/GATESKIP_CACHE_DIR/);
  });
});
