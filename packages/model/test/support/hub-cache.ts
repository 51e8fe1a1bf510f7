import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { ResolveOptions } from '../../src/index.js';
import { entryFolder } from '../../src/source/cache.js';
import { FakeHub, sha256 } from './fake-hub.js';
import { testFolder } from './folder.js';
import { tinyGguf } from './tiny-gguf.js';

export const folder = testFolder();
export const hub = new FakeHub();
/** The one file of the hub's repository `o/r`. */
export const model = tinyGguf();
export const name = 'tiny.Q8_0.gguf';
export const reference = `hf:o/r/${name}`;
/** Of the test that runs; each has its own. */
export let cacheDir: string;

/** A hub with one model, and an empty cache for every test. Call it once, at the top of a file of tests. */
export function useHub(): void {
  beforeAll(() => hub.start());
  afterAll(() => hub.stop());
  beforeEach(() => {
    hub.reset();
    hub.files.set(name, model);
    cacheDir = mkdtempSync(join(folder, 'cache-'));
  });
}

export const options = (more: Partial<ResolveOptions> = {}): ResolveOptions => ({
  cacheDir,
  env: { HF_ENDPOINT: hub.endpoint },
  connectTimeoutMs: 2000,
  ...more,
});
export const entryOf = (text = reference): string => entryFolder(cacheDir, text);
export const filesOf = (text = reference): string[] =>
  existsSync(join(entryOf(text), 'files')) ? readdirSync(join(entryOf(text), 'files')).sort() : [];
export const partOf = (bytes: Uint8Array, etag = sha256(model)): void => {
  mkdirSync(join(entryOf(), 'files'), { recursive: true });
  writeFileSync(join(entryOf(), 'files', `${name}.part`), bytes);
  writeFileSync(join(entryOf(), 'files', `${name}.part.json`), JSON.stringify({ etag, sizeBytes: model.length }));
};
export const bodyRequests = () => hub.requests.filter((request) => request.method === 'GET' && request.url.startsWith('/cdn/'));
