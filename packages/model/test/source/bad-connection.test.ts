import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { listCachedModels, resolveModel } from '../../src/index.js';
import { sha256 } from '../support/fake-hub.js';
import { bodyRequests, cacheDir, filesOf, hub, model, name, options, partOf, reference, useHub } from '../support/hub-cache.js';

useHub();

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
