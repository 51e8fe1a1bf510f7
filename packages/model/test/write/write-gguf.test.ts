import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AbortedError, InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { gguf } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import {
  createRandomModel,
  dequantize,
  llama3Divisors,
  type Model,
  ModelExistsError,
  ModelIoError,
  ModelNotWritableError,
  openModel,
  prepareModelWriter,
  type TensorType,
  tensorShapes,
  typeInfo,
  type WrittenModelType,
  writeModel,
} from '../../src/index.js';
import { testFolder, writeTestFile } from '../support/folder.js';
import { float, string, uint } from '../support/gguf-bytes.js';
import { type tinyConfig, tinyGguf, tinyTokens } from '../support/tiny-gguf.js';

const folder = testFolder();
const nothing: ReadonlyMap<string, Float32Array> = new Map();
let counter = 0;
const target = (): string => join(folder, `new-${counter++}.gguf`);

async function valuesOf(model: Model, name: string): Promise<Float32Array> {
  const { type, rows, columns } = model.tensors.get(name)!;
  return dequantize(type, await model.read(name), rows * columns);
}

/** Of a GGUF file, read with nothing of ours. */
async function foreignHeader(path: string): Promise<Readonly<Record<string, unknown>>> {
  return (await gguf(path, { allowLocalFile: true })).metadata as unknown as Readonly<Record<string, unknown>>;
}

describe('writing a GGUF model', () => {
  it.each(['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q8_0'] as TensorType[])('as F32 keeps every value of %s, and all else', async (type) => {
    const quantised = { 'general.file_type': uint(3), 'quantize.imatrix.file': string('calibration.dat') };
    await using source = await disposable(writeTestFile(folder, tinyGguf({ type, values: quantised })));
    const path = target();
    const { sizeBytes } = await writeModel(source, nothing, path);
    expect(readFileSync(path).length).toBe(sizeBytes);
    await using written = await disposable(path);
    expect(written.config).toEqual(source.config);
    expect(written.chatTemplate).toBe(source.chatTemplate);
    expect(written.tokenizer!.encode('hello <tool>')).toEqual(source.tokenizer!.encode('hello <tool>'));
    for (const name of tensorShapes(source.config).keys()) {
      expect(written.tensors.get(name)).toMatchObject({ type: 'F32', sourceName: source.tensors.get(name)!.sourceName });
      expect(await valuesOf(written, name)).toEqual(await valuesOf(source, name));
    }
    const [before, after] = await Promise.all([source.path!, path].map(foreignHeader));
    const { 'quantize.imatrix.file': _, ...kept } = before!;
    expect(after).toEqual({ ...kept, 'general.file_type': 0, kv_count: BigInt(Object.keys(after!).length - 3) });
  });

  it.each([
    ['F16', 1, 2 ** -11],
    ['Q8_0', 7, 1 / 127],
  ] as [WrittenModelType, number, number][])('as %s says so, and keeps norm weights exact', async (type, fileType, tolerance) => {
    await using source = await disposable(writeTestFile(folder, tinyGguf()));
    const path = target();
    await writeModel(source, nothing, path, { type });
    await using written = await disposable(path);
    for (const [name, [rows]] of tensorShapes(source.config)) {
      expect(written.tensors.get(name)!.type).toBe(rows === 1 ? 'F32' : type);
      const wanted = await valuesOf(source, name);
      (await valuesOf(written, name)).forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(rows === 1 ? 0 : tolerance * 0.5);
      });
    }
    expect((await foreignHeader(path))['general.file_type']).toBe(fileType);
  });

  it('takes new values by their canonical names, and gives the model another fingerprint', async () => {
    await using source = await disposable(writeTestFile(folder, tinyGguf({ type: 'Q4_1' })));
    const shapes = tensorShapes(source.config);
    const changed = new Map(
      ['tokenEmbedding', 'layers.1.query', 'layers.0.mlpDown', 'outputNorm'].map((name) => {
        const [rows, columns] = shapes.get(name)!;
        return [name, Float32Array.from({ length: rows * columns }, (_, i) => Math.fround(Math.sin(i)))];
      }),
    );
    const path = target();
    await writeModel(source, changed, path);
    await using written = await disposable(path);
    for (const name of shapes.keys()) expect(await valuesOf(written, name)).toEqual(changed.get(name) ?? (await valuesOf(source, name)));
    expect(written.fingerprint).not.toBe(source.fingerprint);
    expect(written.config.tiedEmbeddings).toBe(true);
  });

  it('keeps an output head of its own, a table of rotary divisors and an alignment', async () => {
    const head = { name: 'output.weight', sizes: [32, tinyTokens.length], type: 0, bytes: new Uint8Array(4 * 32 * tinyTokens.length) };
    const scaling = { kind: 'llama3', factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192 } as const;
    const divisors = Float32Array.from(llama3Divisors({ ropeSize: 8, ropeTheta: 500000 }, scaling));
    const table = { name: 'rope_freqs.weight', sizes: [4], type: 0, bytes: new Uint8Array(divisors.buffer) };
    const bytes = tinyGguf({
      values: { 'general.alignment': uint(128), 'llama.rope.freq_base': float(500000) },
      tensors: (all) => [table, ...all, head],
      parts: { alignment: 128 },
    });
    await using source = await disposable(writeTestFile(folder, bytes));
    const path = target();
    await writeModel(source, nothing, path);
    await using written = await disposable(path);
    expect(written.config).toEqual(source.config);
    expect(written.config.ropeScaling).toEqual(scaling);
    expect(written.config.tiedEmbeddings).toBe(false);
    expect([...written.tensors.values()].every(({ data }) => data.kind === 'file' && data.offset % 128 === 0)).toBe(true);
  });

  it('can be written when the file of the source has gone', async () => {
    const sourcePath = writeTestFile(folder, tinyGguf());
    await using source = await disposable(sourcePath);
    const path = target();
    const writer = await prepareModelWriter(source, path);
    unlinkSync(sourcePath);
    await writer.write(nothing);
    await using written = await disposable(path);
    expect(written.fingerprint).toBe(source.fingerprint);
  });

  it('says how far it is', async () => {
    await using source = await disposable(writeTestFile(folder, tinyGguf()));
    const heard: { done: number; total: number }[] = [];
    const { sizeBytes } = await writeModel(source, nothing, target(), { onProgress: (progress) => heard.push(progress) });
    expect(heard.length).toBeGreaterThanOrEqual(tensorShapes(source.config).size);
    expect(heard.at(-1)).toEqual({ done: sizeBytes, total: sizeBytes });
  });
});

describe('a GGUF model that cannot be written', () => {
  it('is refused before anything is written', async () => {
    const sourcePath = writeTestFile(folder, tinyGguf());
    await using source = await disposable(sourcePath);
    const prepare = (path: string, options = {}): Promise<unknown> =>
      prepareModelWriter(source, path, options).catch((error: unknown) => error);
    const memory = createRandomModel({ seed: 1 });
    await expect(prepareModelWriter(memory, target())).rejects.toThrow(ModelNotWritableError);
    await expect(prepareModelWriter(memory, target())).rejects.toThrow(/lies in memory/);
    expect(await prepare(target(), { type: 'Q4_0' })).toBeInstanceOf(ModelNotWritableError);
    expect(await prepare(join(folder, 'nowhere', 'new.gguf'))).toBeInstanceOf(ModelIoError);
    const there = target();
    writeFileSync(there, 'mine');
    expect(await prepare(there)).toBeInstanceOf(ModelExistsError);
    expect(readFileSync(there, 'utf8')).toBe('mine');
    const place = target();
    mkdirSync(place);
    expect(await prepare(place, { force: true })).toBeInstanceOf(ModelNotWritableError);
    const linked = target();
    symlinkSync(sourcePath, linked);
    expect(await prepare(linked, { force: true })).toMatchObject({ message: expect.stringContaining('made from') });
    // Rows of 24 are no whole blocks.
    const odd = await disposable(writeTestFile(folder, oddGguf()));
    await expect(prepareModelWriter(odd, target(), { type: 'Q8_0' })).rejects.toThrow(/24 values of tensor "layers.0.mlpDown"/);
    await odd.close();
  });

  it('is replaced where that is asked for', async () => {
    await using source = await disposable(writeTestFile(folder, tinyGguf()));
    const path = target();
    writeFileSync(path, 'mine');
    await writeModel(source, nothing, path, { force: true });
    await using written = await disposable(path);
    expect(written.fingerprint).toBe(source.fingerprint);
  });

  it('is refused where the file of the source is another one by now', async () => {
    const sourcePath = writeTestFile(folder, tinyGguf());
    await using source = await disposable(sourcePath);
    renameSync(writeTestFile(folder, tinyGguf({ type: 'Q8_0' })), sourcePath);
    await expect(prepareModelWriter(source, target())).rejects.toThrow(/no longer the file/);
  });

  it('refuses values that are none of the model, and leaves nothing behind', async () => {
    await using source = await disposable(writeTestFile(folder, tinyGguf()));
    const path = target();
    const before = readdirSync(folder);
    const write = (name: string, values: Float32Array, type?: WrittenModelType): Promise<unknown> =>
      writeModel(source, new Map([[name, values]]), path, type && { type }).catch((error: unknown) => error);
    expect(await write('layers.9.query', new Float32Array(1024))).toBeInstanceOf(InvalidArgumentError);
    expect(await write('__proto__', new Float32Array(1024))).toBeInstanceOf(InvalidArgumentError);
    expect(await write('layers.0.query', new Float32Array(1023))).toBeInstanceOf(ShapeMismatchError);
    const values = new Float32Array(1024);
    values[33] = Number.NaN;
    expect(await write('layers.0.query', values)).toMatchObject({
      code: 'GS_MODEL_NOT_WRITABLE',
      message: expect.stringContaining('"layers.0.query" holds NaN at row 1, column 1'),
    });
    values[33] = 70000;
    expect(await write('layers.0.query', values, 'F16')).toMatchObject({
      code: 'GS_MODEL_NOT_WRITABLE',
      remedy: 'Write the model as F32.',
    });
    values[33] = 1e8;
    expect(await write('layers.0.query', values, 'Q8_0')).toMatchObject({ code: 'GS_MODEL_NOT_WRITABLE' });
    expect(readdirSync(folder)).toEqual(before);
  });

  it('leaves nothing behind when it is interrupted, and what was there as it was', async () => {
    await using source = await disposable(writeTestFile(folder, tinyGguf()));
    const path = target();
    writeFileSync(path, 'mine');
    const before = readdirSync(folder);
    const controller = new AbortController();
    const onProgress = ({ done, total }: { done: number; total: number }): void => {
      if (done > total / 2) controller.abort();
    };
    const written = writeModel(source, nothing, path, { force: true, signal: controller.signal, onProgress });
    await expect(written).rejects.toThrow(AbortedError);
    expect(readdirSync(folder)).toEqual(before);
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });

  it('does not replace what came while it was written', async () => {
    await using source = await disposable(writeTestFile(folder, tinyGguf()));
    const path = target();
    const onProgress = (): void => {
      if (!existsSync(path)) writeFileSync(path, 'mine');
    };
    await expect(writeModel(source, nothing, path, { onProgress })).rejects.toThrow(ModelExistsError);
    expect(readFileSync(path, 'utf8')).toBe('mine');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

async function disposable(path: string): Promise<Model & AsyncDisposable> {
  const model = await openModel(path);
  return Object.assign(model, { [Symbol.asyncDispose]: () => model.close() });
}

/** The tiny model with an inner width of 24. */
function oddGguf(): Buffer {
  const config = { intermediateSize: 24 } satisfies Partial<typeof tinyConfig>;
  expect(config.intermediateSize % typeInfo('Q8_0').blockElements).not.toBe(0);
  const narrow = (tensors: { name: string; sizes: readonly (number | bigint)[] }[]) =>
    tensors.map((tensor) => {
      if (!tensor.name.includes('ffn_') || tensor.name.includes('norm')) return tensor;
      const sizes = tensor.sizes.map((size) => (size === 64 ? 24 : size));
      return { ...tensor, sizes, bytes: new Uint8Array(4 * Number(sizes[0]) * Number(sizes[1])) };
    });
  return tinyGguf({ values: { 'llama.feed_forward_length': uint(24) }, tensors: (all) => narrow(all) as typeof all });
}
