import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadModel, resolveModel, type SourceProgress } from '../../src/index.js';
import { sha256 } from '../support/fake-hub.js';
import { entryOf, hub, model, name, options, reference, useHub } from '../support/hub-cache.js';
import { checkpointConfig, checkpointTokenizer } from '../support/tiny-checkpoint.js';

useHub();

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
