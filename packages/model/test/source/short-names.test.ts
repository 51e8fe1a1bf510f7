import { describe, expect, it } from 'vitest';
import { resolveModel } from '../../src/index.js';
import { sha256 } from '../support/fake-hub.js';
import { filesOf, hub, model, name, options, reference, useHub } from '../support/hub-cache.js';
import { tinyGguf } from '../support/tiny-gguf.js';

useHub();

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
