import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isGateskipError } from '@gateskip/errors';
import { describe, expect, it } from 'vitest';
import { openModel, writeSafetensors } from '../src/index.js';
import { testFolder } from './support/folder.js';
import { u64 } from './support/gguf-bytes.js';
import { writeCheckpoint } from './support/tiny-checkpoint.js';

const folder = testFolder();
const file = (header: string, dataBytes = 0, length?: bigint): Buffer =>
  Buffer.concat([u64(length ?? BigInt(Buffer.byteLength(header))), Buffer.from(header), Buffer.alloc(dataBytes)]);
const one = (dtype: string, shape: unknown, range: unknown, dataBytes: number): Buffer =>
  file(JSON.stringify({ a: { dtype, shape, data_offsets: range } }), dataBytes);

const corpus: readonly (readonly [string, Uint8Array, string, RegExp])[] = [
  ['empty file', new Uint8Array(), 'GS_INVALID_MODEL', /0 bytes/],
  ['only a length', u64(2), 'GS_INVALID_MODEL', /8 bytes/],
  ['header over 100 MB', file('{}', 0, 100_000_001n), 'GS_INVALID_MODEL', /100000001/],
  ['header of 2^63', file('{}', 0, 1n << 63n), 'GS_INVALID_MODEL', /at most/],
  ['header longer than the file', file('{}', 0, 1000n), 'GS_INVALID_MODEL', /left/],
  ['header that starts with a space', file(' {}'), 'GS_INVALID_MODEL', /"\{"/],
  ['header that is a list', file('[]'), 'GS_INVALID_MODEL', /"\{"/],
  ['header that is no JSON', file('{"a":'), 'GS_INVALID_MODEL', /JSON/],
  [
    'header in bad UTF-8',
    Buffer.concat([u64(7), Buffer.from('{"'), Buffer.of(0xc3, 0x28), Buffer.from('":}')]),
    'GS_INVALID_MODEL',
    /UTF-8/,
  ],
  ['10000 nested lists', file(`{"a":${'['.repeat(10000)}${']'.repeat(10000)}}`), 'GS_INVALID_MODEL', /deeper/],
  [
    'the same tensor twice',
    file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    'GS_INVALID_MODEL',
    /twice/,
  ],
  [
    'the same tensor twice, escaped',
    file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    'GS_INVALID_MODEL',
    /twice/,
  ],
  ['__proto__ as a tensor', file('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4), 'GS_UNSUPPORTED_MODEL', /__proto__/],
  ['unknown type', one('Q4', [2], [0, 1], 1), 'GS_INVALID_MODEL', /Q4/],
  ['unknown field', file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}', 1), 'GS_INVALID_MODEL', /"x"/],
  ['negative size', one('U8', [-1], [0, 1], 1), 'GS_INVALID_MODEL', /shape/],
  ['size that is no whole number', one('U8', [1.5], [0, 1], 1), 'GS_INVALID_MODEL', /shape/],
  ['sizes that overflow', one('U8', [2 ** 40, 2 ** 40], [0, 1], 1), 'GS_INVALID_MODEL', /larger/],
  ['range behind the end', one('U8', [100], [0, 100], 1), 'GS_INVALID_MODEL', /take 100 bytes/],
  ['range backwards', one('U8', [1], [1, 0], 1), 'GS_INVALID_MODEL', /data_offsets/],
  ['range of three', one('U8', [1], [0, 1, 2], 1), 'GS_INVALID_MODEL', /data_offsets/],
  ['range of another size', one('F32', [2], [0, 4], 4), 'GS_INVALID_MODEL', /8 bytes/],
  ['hole at the start', one('U8', [1], [1, 2], 2), 'GS_INVALID_MODEL', /hole/],
  ['hole at the end', one('U8', [1], [0, 1], 2), 'GS_INVALID_MODEL', /holds 2/],
  [
    'overlap',
    file('{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}', 3),
    'GS_INVALID_MODEL',
    /overlap/,
  ],
  ['metadata that is no text', file('{"__metadata__":{"a":1}}'), 'GS_INVALID_MODEL', /__metadata__/],
  ['8-bit weights', file('{"model.norm.weight":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}}', 4), 'GS_UNSUPPORTED_TENSOR_TYPE', /I8/],
  [
    'three dimensions',
    file('{"model.norm.weight":{"dtype":"F32","shape":[1,1,1],"data_offsets":[0,4]}}', 4),
    'GS_INVALID_MODEL',
    /3 dimensions/,
  ],
  ['no tensors', file('{}'), 'GS_INVALID_MODEL', /missing/],
];

describe('bad safetensors files are refused by a typed error', () => {
  it.each(corpus)('%s', async (name, bytes, code, message) => {
    const path = await writeCheckpoint(join(folder, name.replaceAll(/[^a-z0-9]/gi, '-')));
    writeFileSync(join(path, 'model.safetensors'), bytes);
    const before = process.memoryUsage();
    const start = performance.now();
    const error = await openModel(path).catch((thrown: unknown) => thrown);
    const elapsedMs = performance.now() - start;
    const after = process.memoryUsage();
    expect(isGateskipError(error), String(error)).toBe(true);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toMatch(message);
    expect(elapsedMs).toBeLessThan(500);
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(32 * 1024 * 1024);
  });

  it.each([
    '../x.safetensors',
    '/etc/x.safetensors',
    'a/b.safetensors',
    '..',
    'C:x.safetensors',
    'x\u0000.safetensors',
    '.x.safetensors',
    'x.bin',
    7,
    `${'x'.repeat(300)}.safetensors`,
  ])('refuses the shard name %j', async (name) => {
    const path = await writeCheckpoint(join(folder, 'index'), { shards: true });
    writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: name } }));
    await expect(openModel(path)).rejects.toMatchObject({ code: 'GS_INVALID_MODEL', message: expect.stringContaining('plain file name') });
  });

  it('a folder without a config or weights says what is missing', async () => {
    await expect(openModel(folder)).rejects.toMatchObject({ code: 'GS_MODEL_IO', message: expect.stringContaining('config.json') });
  });
});

describe('writing', () => {
  it('leaves nothing behind when it fails, and refuses sizes that do not fit', async () => {
    const before = readdirSync(folder);
    await expect(writeSafetensors(join(folder, 'no', 'such', 'folder'), new Map())).rejects.toMatchObject({ code: 'GS_MODEL_IO' });
    await expect(
      writeSafetensors(join(folder, 'x.safetensors'), new Map([['a', { type: 'F32', shape: [2], bytes: new Uint8Array(4) }]])),
    ).rejects.toMatchObject({ code: 'GS_INVALID_ARGUMENT' });
    expect(readdirSync(folder)).toEqual(before);
  });
});
