import { isGateskipError } from '@gateskip/errors';
import { describe, expect, it } from 'vitest';
import { openModel } from '../src/index.js';
import { testFolder, writeTestFile } from './support/folder.js';
import { buildGguf, floats, ints, string, strings, text, u32, u64, uint } from './support/gguf-bytes.js';
import { tinyGguf, tinyTokens } from './support/tiny-gguf.js';

const folder = testFolder();
const huge = 1n << 63n;
const header = (...parts: Uint8Array[]): Buffer => Buffer.concat([Buffer.from('GGUF'), u32(3), ...parts]);
const tensor = (sizes: readonly (number | bigint)[], more: object = {}) =>
  tinyGguf({ tensors: (all) => [...all, { name: 'extra', sizes, type: 0, bytes: new Uint8Array(32), ...more }] });
const nested = (depth: number): Buffer =>
  Buffer.concat([...Array.from({ length: depth }, () => Buffer.concat([u32(9), u64(1)])), u32(4), u64(0)]);
const renamed = (from: string, to: string) =>
  tinyGguf({ tensors: (all) => all.map((item) => (item.name === from ? { ...item, name: to } : item)) });
const sound = tinyGguf();

/** Name, bytes, code, and what the message must tell. */
const corpus: readonly (readonly [string, Uint8Array, string, RegExp])[] = [
  ['empty file', new Uint8Array(), 'GS_UNSUPPORTED_MODEL', /empty/],
  ['other magic', Buffer.from('PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaaaaa'), 'GS_UNSUPPORTED_MODEL', /PK/],
  ['web page', Buffer.from('<!DOCTYPE html><html>not found</html>'), 'GS_UNSUPPORTED_MODEL', /HTML/],
  ['reversed magic', buildGguf({ magic: 'FUGG', values: [], tensors: [] }), 'GS_UNSUPPORTED_MODEL', /byte order/],
  ['version 1', buildGguf({ version: 1, values: [], tensors: [] }), 'GS_UNSUPPORTED_MODEL', /version 1/],
  ['version 4', buildGguf({ version: 4, values: [], tensors: [] }), 'GS_UNSUPPORTED_MODEL', /version 4/],
  ['big-endian', buildGguf({ version: 0x03000000, values: [], tensors: [] }), 'GS_UNSUPPORTED_MODEL', /big-endian/],
  ['magic and nothing else', Buffer.from('GGUF'), 'GS_INVALID_MODEL', /4 bytes/],
  ['2^63 tensors', header(u64(huge), u64(0)), 'GS_INVALID_MODEL', /Number of tensors/],
  ['2^64-1 keys', header(u64(0), u64((1n << 64n) - 1n)), 'GS_INVALID_MODEL', /metadata keys/],
  ['2^32 keys', header(u64(0), u64(1n << 32n)), 'GS_INVALID_MODEL', /metadata keys/],
  ['more keys than bytes', header(u64(0), u64(60000)), 'GS_INVALID_MODEL', /bytes left/],
  ['key of 2^63 bytes', header(u64(0), u64(1), u64(huge), Buffer.alloc(64)), 'GS_INVALID_MODEL', /at most/],
  ['key longer than the file', header(u64(0), u64(1), u64(60000), Buffer.alloc(64)), 'GS_INVALID_MODEL', /left/],
  ['empty key', header(u64(0), u64(1), u64(0), Buffer.alloc(64)), 'GS_INVALID_MODEL', /not allowed/],
  ['string of 2^40 bytes', header(u64(0), u64(1), text('a'), u32(8), u64(1n << 40n), Buffer.alloc(64)), 'GS_INVALID_MODEL', /at most/],
  ['array of 2^63', header(u64(0), u64(1), text('a'), u32(9), u32(4), u64(huge), Buffer.alloc(64)), 'GS_INVALID_MODEL', /Length/],
  [
    'array of 900000 in 200 bytes',
    header(u64(0), u64(1), text('a'), u32(9), u32(8), u64(900000), Buffer.alloc(64)),
    'GS_INVALID_MODEL',
    /left/,
  ],
  ['arrays 10000 deep', header(u64(0), u64(1), text('a'), u32(9), nested(10_000)), 'GS_INVALID_MODEL', /deeper than 4/],
  ['arrays 5 deep', header(u64(0), u64(1), text('a'), u32(9), nested(4), Buffer.alloc(64)), 'GS_INVALID_MODEL', /deeper than 4/],
  ['unknown value type', header(u64(0), u64(1), text('a'), u32(77), Buffer.alloc(64)), 'GS_INVALID_MODEL', /type 77/],
  ['unknown element type', header(u64(0), u64(1), text('a'), u32(9), u32(13), u64(1), Buffer.alloc(64)), 'GS_INVALID_MODEL', /type 13/],
  [
    'the same key twice',
    buildGguf({
      values: [
        ['a', uint(1)],
        ['a', uint(2)],
      ],
      tensors: [],
    }),
    'GS_INVALID_MODEL',
    /twice/,
  ],
  ['__proto__ as key', buildGguf({ values: [['__proto__', uint(1)]], tensors: [] }), 'GS_INVALID_MODEL', /__proto__/],
  ['key in bad UTF-8', buildGguf({ values: [[Uint8Array.of(0xc3, 0x28), uint(1)]], tensors: [] }), 'GS_INVALID_MODEL', /UTF-8/],
  [
    'value in overlong UTF-8',
    buildGguf({ values: [['a', { type: 'string', value: Uint8Array.of(0xc0, 0x80) }]], tensors: [] }),
    'GS_INVALID_MODEL',
    /UTF-8/,
  ],
  [
    'surrogate in UTF-8',
    buildGguf({ values: [['a', { type: 'string', value: Uint8Array.of(0xed, 0xa0, 0x80) }]], tensors: [] }),
    'GS_INVALID_MODEL',
    /UTF-8/,
  ],
  ['cut inside a key', sound.subarray(0, 60), 'GS_INVALID_MODEL', /left/],
  ['cut inside the vocabulary', sound.subarray(0, 2000), 'GS_INVALID_MODEL', /left/],
  ['cut inside the data', sound.subarray(0, sound.length - 4000), 'GS_INVALID_MODEL', /ends behind/],
  ['zero dimension', tensor([32, 0]), 'GS_INVALID_MODEL', /zero/],
  ['no dimensions', tensor([]), 'GS_INVALID_MODEL', /0 dimensions/],
  ['5 dimensions', tensor([1, 1, 1, 1, 1]), 'GS_INVALID_MODEL', /5 dimensions/],
  [
    '2^32-1 dimensions',
    Buffer.concat([header(u64(1), u64(0), text('t'), u32(0xffffffff)), Buffer.alloc(64)]),
    'GS_INVALID_MODEL',
    /dimensions/,
  ],
  ['product over 2^64', tensor([1n << 32n, 1n << 33n]), 'GS_INVALID_MODEL', /2\^63/],
  ['product wraps to a small number', tensor([(1n << 63n) + 1n, 2n]), 'GS_INVALID_MODEL', /2\^63/],
  ['larger than the file', tensor([1n << 40n]), 'GS_INVALID_MODEL', /cannot fit/],
  ['offset behind the file', tensor([8], { offset: 1n << 40n }), 'GS_INVALID_MODEL', /ends behind/],
  ['offset plus size wraps', tensor([8], { offset: (1n << 64n) - 32n }), 'GS_INVALID_MODEL', /ends behind/],
  ['offset not aligned', tensor([8], { offset: 33n }), 'GS_INVALID_MODEL', /alignment/],
  ['overlapping tensors', tensor([8], { offset: 0n }), 'GS_INVALID_MODEL', /overlap/],
  ['same tensor twice', renamed('blk.0.attn_q.weight', 'blk.0.attn_k.weight'), 'GS_INVALID_MODEL', /twice/],
  ['rows that are no whole blocks', tensor([31], { type: 2 }), 'GS_INVALID_MODEL', /whole Q4_0 blocks/],
  ['unknown tensor type', tensor([8], { type: 99 }), 'GS_UNSUPPORTED_TENSOR_TYPE', /unknown type 99/],
  ['K-quants', tensor([256], { type: 12 }), 'GS_UNSUPPORTED_TENSOR_TYPE', /"extra" is stored as Q4_K/],
  ['alignment 0', tinyGguf({ values: { 'general.alignment': uint(0) } }), 'GS_INVALID_MODEL', /alignment/],
  ['alignment 2^30', tinyGguf({ values: { 'general.alignment': uint(1 << 30) } }), 'GS_INVALID_MODEL', /alignment/],
  ['alignment 33', tinyGguf({ values: { 'general.alignment': uint(33) } }), 'GS_INVALID_MODEL', /power of two/],
  ['alignment as text', tinyGguf({ values: { 'general.alignment': string('32') } }), 'GS_INVALID_MODEL', /UINT32/],
  ['other architecture', tinyGguf({ values: { 'general.architecture': string('mamba') } }), 'GS_UNSUPPORTED_MODEL', /"mamba"/],
  ['no architecture', tinyGguf({ values: { 'general.architecture': undefined } }), 'GS_UNSUPPORTED_MODEL', /undefined/],
  ['experts', tinyGguf({ values: { 'llama.expert_count': uint(8) } }), 'GS_UNSUPPORTED_MODEL', /expert_count/],
  ['yarn', tinyGguf({ values: { 'llama.rope.scaling.type': string('yarn') } }), 'GS_UNSUPPORTED_MODEL', /yarn/],
  ['4 billion layers', tinyGguf({ values: { 'llama.block_count': uint(0xffffffff) } }), 'GS_INVALID_MODEL', /block_count/],
  ['layers as text', tinyGguf({ values: { 'llama.block_count': string('2') } }), 'GS_INVALID_MODEL', /block_count/],
  ['key heads per layer', tinyGguf({ values: { 'llama.attention.head_count_kv': ints([2, 2]) } }), 'GS_UNSUPPORTED_MODEL', /per layer/],
  ['heads that do not divide', tinyGguf({ values: { 'llama.attention.head_count_kv': uint(3) } }), 'GS_INVALID_MODEL', /evenly/],
  ['zero heads', tinyGguf({ values: { 'llama.attention.head_count': uint(0) } }), 'GS_INVALID_MODEL', /head_count/],
  [
    'epsilon NaN',
    tinyGguf({ values: { 'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: Number.NaN } } }),
    'GS_INVALID_MODEL',
    /epsilon/,
  ],
  ['another width', tinyGguf({ values: { 'llama.feed_forward_length': uint(96) } }), 'GS_SHAPE_MISMATCH', /\[96,32\].*\[64,32\]/],
  ['missing tensor', tinyGguf({ tensors: (all) => all.slice(0, -1) }), 'GS_INVALID_MODEL', /missing/],
  ['bias that a Llama has not', renamed('blk.0.attn_q.weight', 'blk.0.attn_q.bias'), 'GS_UNSUPPORTED_MODEL', /attn_q\.bias/],
  ['tensor of a layer that is not', renamed('blk.0.attn_q.weight', 'blk.9.attn_q.weight'), 'GS_INVALID_MODEL', /layers/],
  ['name from the prototype', renamed('blk.0.attn_q.weight', 'blk.0.constructor'), 'GS_UNSUPPORTED_MODEL', /constructor/],
  ['vocabulary missing', tinyGguf({ values: { 'tokenizer.ggml.tokens': undefined } }), 'GS_INVALID_MODEL', /vocabulary/],
  ['vocabulary of numbers', tinyGguf({ values: { 'tokenizer.ggml.tokens': ints([1, 2]) } }), 'GS_INVALID_MODEL', /vocabulary/],
  ['types of another length', tinyGguf({ values: { 'tokenizer.ggml.token_type': ints([1]) } }), 'GS_INVALID_MODEL', /token types/],
  [
    'vocabulary of another size',
    tinyGguf({
      values: {
        'tokenizer.ggml.tokens': strings(tinyTokens.slice(0, 10)),
        'tokenizer.ggml.token_type': undefined,
        'tokenizer.ggml.eos_token_id': undefined,
        'tokenizer.ggml.bos_token_id': undefined,
      },
    }),
    'GS_SHAPE_MISMATCH',
    /tokenEmbedding/,
  ],
  ['end token outside', tinyGguf({ values: { 'tokenizer.ggml.eos_token_id': uint(100000) } }), 'GS_INVALID_MODEL', /eos_token_id/],
  ['unknown way to cut text', tinyGguf({ values: { 'tokenizer.ggml.pre': string('nobody') } }), 'GS_UNSUPPORTED_TOKENIZER', /"nobody"/],
  ['no way to cut text', tinyGguf({ values: { 'tokenizer.ggml.pre': undefined } }), 'GS_UNSUPPORTED_TOKENIZER', /undefined/],
  ['word pieces', tinyGguf({ values: { 'tokenizer.ggml.model': string('bert') } }), 'GS_UNSUPPORTED_TOKENIZER', /"bert"/],
  [
    'odd rotary table',
    tinyGguf({
      tensors: (all) => [
        ...all,
        { name: 'rope_freqs.weight', sizes: [4], type: 0, bytes: Buffer.from(new Float32Array([1, 1.5, 2, 7]).buffer) },
      ],
    }),
    'GS_UNSUPPORTED_MODEL',
    /rope_freqs/,
  ],
  ['chat template as list', tinyGguf({ values: { 'tokenizer.chat_template': floats([1]) } }), 'GS_INVALID_MODEL', /template/],
];

describe('bad GGUF files are refused by a typed error', () => {
  it.each(corpus)('%s', async (_name, bytes, code, message) => {
    const path = writeTestFile(folder, bytes);
    await openModel(writeTestFile(folder, sound)).then((model) => model.close());
    const heap = process.memoryUsage();
    const start = performance.now();
    const error = await openModel(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const elapsedMs = performance.now() - start;
    const after = process.memoryUsage();
    expect(isGateskipError(error), String(error)).toBe(true);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toMatch(message);
    // SERVING.md promises 50 ms and 32 MB on an idle machine. Wall time on a busy one is not the code's: ten times that.
    expect(elapsedMs).toBeLessThan(500);
    expect(after.heapUsed + after.arrayBuffers - heap.heapUsed - heap.arrayBuffers).toBeLessThan(32 * 1024 * 1024);
  });

  it('control characters of a file do not reach the message', async () => {
    const path = writeTestFile(folder, tinyGguf({ values: { 'general.architecture': string('x\u001b[31m\ny') } }));
    await expect(openModel(path)).rejects.toThrow(/x\\u001b\[31m\\u000ay/);
  });
});
