import { open } from 'node:fs/promises';
import { gguf } from '@huggingface/gguf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readGgufHeader } from '../src/gguf/read-header.js';
import { StringTable } from '../src/gguf/string-table.js';
import { TextIndex } from '../src/tokenizer/text-index.js';
import { testFolder, writeTestFile } from './support/folder.js';
import { buildGguf, text, u32, u64, type Value } from './support/gguf-bytes.js';
import { realModel } from './support/real-model.js';
import { tinyGguf } from './support/tiny-gguf.js';

const folder = testFolder();
const plain = (value: unknown): unknown => (Array.isArray(value) ? value.map(plain) : typeof value === 'bigint' ? Number(value) : value);

/** Every value that our reader gives equals the one of `@huggingface/gguf`, and long arrays equal in their strings or numbers. */
async function expectSameAsLibrary(path: string): Promise<number> {
  const file = await open(path);
  try {
    const header = await readGgufHeader(path, file, (await file.stat()).size);
    const { metadata } = await gguf(path, { allowLocalFile: true });
    let compared = 0;
    for (const [key, value] of Object.entries(metadata as Record<string, unknown>)) {
      if (key === 'version' || key === 'tensor_count' || key === 'kv_count') continue;
      compared++;
      const table = header.strings(key);
      if (table)
        expect(
          Array.from({ length: table.length }, (_, i) => table.text(i)),
          key,
        ).toEqual(value);
      else if (header.values.has(key)) expect(header.values.get(key), key).toEqual(plain(value));
      else expect([...(header.numbers(key) ?? [])], key).toEqual(plain(value));
    }
    expect(compared).toBe(
      header.values.size + [...Object.values(metadata)].filter((value) => Array.isArray(value) && value.length > 1024).length,
    );
    return compared;
  } finally {
    await file.close();
  }
}

describe('header values', () => {
  it('equal those of the library, of every type', async () => {
    const f64 = Buffer.alloc(8);
    f64.writeDoubleLE(-1.25e-300);
    const array = (element: number, ...items: Uint8Array[]) => ({
      type: 'raw' as const,
      number: 9,
      bytes: Buffer.concat([u32(element), u64(items.length), ...items]),
    });
    const all: (readonly [string, Value])[] = [
      ['u8', { type: 'raw', number: 0, bytes: Buffer.from([200]) }],
      ['i8', { type: 'raw', number: 1, bytes: Buffer.from([200]) }],
      ['u16', { type: 'raw', number: 2, bytes: Buffer.from([1, 200]) }],
      ['i16', { type: 'raw', number: 3, bytes: Buffer.from([1, 200]) }],
      ['u32', { type: 'raw', number: 4, bytes: u32(0xfffffffe) }],
      ['i32', { type: 'raw', number: 5, bytes: u32(0xfffffffe) }],
      ['f32', { type: 'raw', number: 6, bytes: Buffer.from(Float32Array.of(0.1).buffer) }],
      ['yes', { type: 'raw', number: 7, bytes: Buffer.from([2]) }],
      ['text', { type: 'raw', number: 8, bytes: text('Grüße 🙂') }],
      ['u64', { type: 'raw', number: 10, bytes: u64(1n << 52n) }],
      ['i64', { type: 'raw', number: 11, bytes: u64((1n << 64n) - 5n) }],
      ['f64', { type: 'raw', number: 12, bytes: f64 }],
      ['strings', array(8, text('a'), text(''), text('ü'))],
      ['longs', array(10, u64(1n), u64(7n))],
      ['nested', array(9, Buffer.concat([u32(4), u64(2), u32(1), u32(2)]), Buffer.concat([u32(8), u64(1), text('x')]))],
    ];
    const path = writeTestFile(folder, buildGguf({ values: all, tensors: [] }));
    expect(await expectSameAsLibrary(path)).toBe(all.length);
  });

  it('equal those of the library in a whole model', async () => {
    expect(await expectSameAsLibrary(writeTestFile(folder, tinyGguf()))).toBeGreaterThan(10);
  });

  it('equal those of the library in the real model', async (context) => {
    const model = await realModel();
    if (typeof model === 'string') return context.skip(model);
    await model.close();
    expect(await expectSameAsLibrary(model.path as string)).toBeGreaterThan(20);
  });
});

describe('a text index', () => {
  const tableOf = (strings: readonly string[]): StringTable =>
    new StringTable(Buffer.concat(strings.map((item) => text(item))), strings.length);

  it('answers like a Map that was filled in order', () => {
    const word = fc.string({ unit: 'grapheme', maxLength: 5 });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 300 }), fc.array(word, { maxLength: 20 }), (strings, others) => {
        const table = tableOf(strings);
        const index = new TextIndex(table);
        const map = new Map(strings.map((item, i) => [item, i]));
        for (const item of [...strings, ...others, `${strings[0]}x`, 'x'.repeat(100)]) expect(index.get(item)).toBe(map.get(item));
        expect(Array.from({ length: strings.length }, (_, i) => table.text(i))).toEqual(strings);
        expect([table.text(-1), table.text(strings.length)]).toEqual([undefined, undefined]);
      }),
    );
  });

  it('takes many equal strings in little time', () => {
    const strings = Array.from({ length: 100_000 }, (_, i) => (i % 2 === 0 ? 'same' : `${i}`));
    const index = new TextIndex(tableOf(strings));
    expect(index.get('same')).toBe(99_998);
    expect(index.get('99999')).toBe(99_999);
  });
});
