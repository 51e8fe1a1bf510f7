import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { u32, u64 } from './support/gguf-bytes.js';
import { type TinyOptions, tinyModelBytes, writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();

/** Every way to open a model must refuse it alike; `inspect` needs no backend. */
async function refusal(reference: string): Promise<ErrorDocument['error']> {
  const started = performance.now();
  const ran = await commandLine(['inspect', reference, '--json']);
  const { error } = documentOf<ErrorDocument>(ran);
  expect(ran.code, error.message).toBe(2);
  expect(ran.stderr).toBe('');
  expect(error.remedy).not.toBe('');
  expect(error.message).not.toMatch(/\n\s+at /);
  expect(performance.now() - started).toBeLessThan(5000);
  return error;
}

let count = 0;
const tiny = (options: TinyOptions): string => writeTinyModel(join(folder, `bad-${count++}.gguf`), options);
const file = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

function safetensors(name: string, header: string, data: Uint8Array = new Uint8Array(8), length?: bigint): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'config.json'), JSON.stringify({ model_type: 'llama', architectures: ['LlamaForCausalLM'] }));
  writeFileSync(join(path, 'model.safetensors'), Buffer.concat([u64(length ?? Buffer.byteLength(header)), Buffer.from(header), data]));
  return path;
}

describe('hostile and damaged model files (SERVING.md, rows 1 to 6)', () => {
  const gguf: readonly (readonly [string, TinyOptions, RegExp])[] = [
    ['a bad magic', { parts: { magic: 'GGML' } }, /GS_UNSUPPORTED_MODEL/],
    ['version 1', { parts: { version: 1 } }, /GS_UNSUPPORTED_MODEL/],
    ['big-endian', { parts: { magic: 'FUGG' } }, /GS_UNSUPPORTED_MODEL/],
    ['2^63 tensors', { parts: { tensorCount: 2n ** 63n } }, /GS_INVALID_MODEL/],
    ['2^32 keys', { parts: { keyCount: 2n ** 32n } }, /GS_INVALID_MODEL/],
    ['a zero dimension', { tensors: ([first, ...rest]) => [{ ...first!, sizes: [0, 262] }, ...rest] }, /GS_INVALID_MODEL/],
    ['five dimensions', { tensors: ([first, ...rest]) => [{ ...first!, sizes: [32, 262, 1, 1, 1] }, ...rest] }, /GS_INVALID_MODEL/],
    [
      'a shape that overflows',
      { tensors: ([first, ...rest]) => [{ ...first!, sizes: [2n ** 40n, 2n ** 40n] }, ...rest] },
      /GS_INVALID_MODEL/,
    ],
    [
      'an unknown tensor type',
      { tensors: ([first, ...rest]) => [{ ...first!, type: 99 }, ...rest] },
      /GS_(UNSUPPORTED_TENSOR_TYPE|INVALID_MODEL)/,
    ],
    ['a key given twice', { values: (values) => [...values, values[1]!] }, /GS_INVALID_MODEL/],
    [
      'another architecture',
      { values: (values) => values.map(([key, value], i) => [key, i === 0 ? values[1]![1] : value] as const) },
      /GS_UNSUPPORTED_MODEL/,
    ],
    ['nested arrays 10,000 deep', { values: (values) => [...values, ['deep', deepArray()]] }, /GS_INVALID_MODEL|GS_UNSUPPORTED_MODEL/],
  ];
  it.each(gguf)('GGUF: %s', async (_, options, code) => {
    expect((await refusal(tiny(options))).code).toMatch(code);
  });

  it('GGUF: cut short, empty, a folder, a web page, nothing', async () => {
    const path = tiny({});
    truncateSync(path, 100_000);
    expect((await refusal(path)).code).toBe('GS_INVALID_MODEL');
    expect((await refusal(file('header.gguf', tinyModelBytes().subarray(0, 700)))).code).toBe('GS_INVALID_MODEL');
    expect((await refusal(file('empty.gguf', new Uint8Array()))).code).toBe('GS_UNSUPPORTED_MODEL');
    const page = await refusal(file('page.gguf', Buffer.from('<!DOCTYPE html><html></html>')));
    expect([page.code, page.message]).toEqual(['GS_UNSUPPORTED_MODEL', expect.stringContaining('HTML')]);
    mkdirSync(join(folder, 'nothing'));
    expect((await refusal(join(folder, 'nothing'))).code).toMatch(/^GS_(MODEL_IO|INVALID_MODEL|UNSUPPORTED_MODEL)$/);
    expect((await refusal(join(folder, 'nowhere.gguf'))).code).toBe('GS_MODEL_IO');
  });

  it('safetensors: a header beyond the limit, offsets past the end, holes, a shard outside', async () => {
    expect((await refusal(safetensors('huge', '{}', new Uint8Array(8), 2n ** 40n))).code).toBe('GS_INVALID_MODEL');
    const past = '{"model.norm.weight":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}';
    expect((await refusal(safetensors('past', past))).code).toMatch(/^GS_(INVALID_MODEL|UNSUPPORTED_MODEL)$/);
    expect((await refusal(safetensors('json', '{"a":'))).code).toMatch(/^GS_(INVALID_MODEL|UNSUPPORTED_MODEL)$/);
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'config.json'), JSON.stringify({ model_type: 'llama', architectures: ['LlamaForCausalLM'] }));
    writeFileSync(
      join(outside, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: { 'model.norm.weight': '../x.safetensors' } }),
    );
    expect((await refusal(outside)).code).toMatch(/^GS_(INVALID_MODEL|UNSUPPORTED_MODEL)$/);
  });

  function deepArray(): Buffer {
    // Each level: an array (type 9) of one array.
    return Buffer.concat([u32(9), ...Array.from({ length: 10_000 }, () => Buffer.concat([u32(9), u64(1)])), u32(4), u64(1), u32(7)]);
  }
});

describe('weights that are not finite (row 7)', () => {
  const poisoned = (poison: number): string => tiny({ poison });

  it('inspect --check finds them and says where', async () => {
    const ran = await commandLine(['inspect', poisoned(Number.NaN), '--check', '--json']);
    expect(ran.code).toBe(2);
    expect(documentOf<{ check: unknown }>(ran).check).toMatchObject({
      ok: false,
      findings: [{ tensor: 'layers.0.mlpGate', nan: 1, infinite: 0, first: [0, 5] }],
    });
    const sound = await commandLine(['inspect', tiny({}), '--check']);
    expect([sound.code, sound.stdout]).toEqual([0, expect.stringMatching(/All \d+ weights are finite\./)]);
  });

  it('run ends with a typed error', async () => {
    const ran = await commandLine(['run', poisoned(Number.NaN), 'hello', '--backend', 'reference', '--json']);
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, 'GS_NON_FINITE_LOGITS']);
  });
});

describe('gate files (row 8)', () => {
  it('refuses what is no gate file', async () => {
    const path = join(folder, 'other.safetensors');
    await writeSafetensors(path, new Map([['x', { type: 'F32', shape: [2], bytes: new Uint8Array(8) }]]));
    for (const words of [
      ['run', tiny({}), 'hi'],
      ['inspect', tiny({})],
      ['chat', tiny({})],
    ]) {
      const ran = await commandLine([...words, '--backend', 'reference', '--adapter', path, '--json']);
      expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, 'GS_ADAPTER_INVALID']);
    }
  });
});

describe('model names (row 10)', () => {
  it.each([
    '',
    'no-such-name',
    'hf:../../etc/passwd',
    'hf:owner/repo/../../x.gguf',
    'hf:owner/re\u0000po',
    'pypi:../x',
    'pypi:pkg/../../x.gguf',
    'ftp://host/model.gguf',
    `hf:owner/${'x'.repeat(5000)}`,
    'x'.repeat(5000),
    'a\nb',
  ])('refuses %j before anything is touched', async (name) => {
    for (const verb of ['pull', 'run', 'chat', 'inspect']) {
      const ran = await commandLine([verb, name, ...(verb === 'run' ? ['hi'] : []), '--json']);
      const { error } = documentOf<ErrorDocument>(ran);
      expect([ran.code, error.code]).toEqual([2, 'GS_MODEL_NAME']);
      expect(error.message.length).toBeLessThan(1000);
    }
  });

  it.each(['../../etc/shadow.gguf', 'C:\\models\\x.gguf', './'])('a path that leads nowhere: %j', async (name) => {
    const ran = await commandLine(['pull', join(folder, name), '--json']);
    expect(ran.code).toBe(name === './' ? 0 : 2);
  });

  it('follows a link that a person made to a model', async () => {
    const link = join(folder, 'link.gguf');
    symlinkSync(tiny({}), link);
    expect((await commandLine(['inspect', link, '--json'])).code).toBe(0);
  });

  it('shows no control characters of a name on the terminal', async () => {
    const ran = await commandLine(['inspect', join(folder, '\u001b[2Jx.gguf')]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).not.toContain('\u001b');
  });
});
