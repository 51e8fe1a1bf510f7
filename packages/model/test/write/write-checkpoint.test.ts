import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AbortedError } from '@gateskip/errors';
import { describe, expect, it } from 'vitest';
import {
  dequantize,
  ModelExistsError,
  ModelNotWritableError,
  openModel,
  prepareModelWriter,
  tensorShapes,
  writeModel,
} from '../../src/index.js';
import { testFolder } from '../support/folder.js';
import { writeCheckpoint } from '../support/tiny-checkpoint.js';

const folder = testFolder();
const nothing: ReadonlyMap<string, Float32Array> = new Map();
let counter = 0;
const target = (): string => join(folder, `new-${counter++}`);

describe('writing a safetensors model', () => {
  it.each([false, true])('gives a folder with the same values, tokenizer and template, of shards (%s) too', async (shards) => {
    const from = await writeCheckpoint(target(), { shards, config: { torch_dtype: 'bfloat16', custom: [1, 'two'] } });
    writeFileSync(join(from, 'notes.txt'), 'no part of the model');
    const source = await openModel(from);
    const path = target();
    const { sizeBytes } = await writeModel(source, nothing, path);
    const written = await openModel(path);
    expect({ ...written.config, name: '' }).toEqual({ ...source.config, name: '' });
    expect(written.chatTemplate).toBe(source.chatTemplate);
    expect(written.tokenizer!.encode('hello')).toEqual(source.tokenizer!.encode('hello'));
    for (const name of tensorShapes(source.config).keys()) expect(await written.read(name)).toEqual(await source.read(name));
    expect(readdirSync(path).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']);
    expect(readdirSync(path).reduce((sum, name) => sum + readFileSync(join(path, name)).length, 0)).toBe(sizeBytes);
    const config = (place: string) => JSON.parse(readFileSync(join(place, 'config.json'), 'utf8'));
    expect(config(path)).toEqual({ ...config(from), torch_dtype: 'float32' });
    await Promise.all([source.close(), written.close()]);
  });

  it('takes new values, as F16 where asked', async () => {
    const source = await openModel(await writeCheckpoint(target()));
    const values = Float32Array.from({ length: 32 * 64 }, (_, i) => i / 64);
    const path = target();
    await writeModel(source, new Map([['layers.1.mlpDown', values]]), path, { type: 'F16' });
    const written = await openModel(path);
    expect(written.tensors.get('layers.1.mlpDown')!.type).toBe('F16');
    expect(written.tensors.get('outputNorm')!.type).toBe('F32');
    expect(dequantize('F16', await written.read('layers.1.mlpDown'), values.length)).toEqual(values);
    expect(written.fingerprint).not.toBe(source.fingerprint);
    await Promise.all([source.close(), written.close()]);
  });

  it('replaces a model where that is asked for, and nothing else', async () => {
    const source = await openModel(await writeCheckpoint(target()));
    const path = await writeCheckpoint(target(), { shards: true });
    await expect(prepareModelWriter(source, path)).rejects.toThrow(ModelExistsError);
    await writeModel(source, nothing, path, { force: true });
    expect(readdirSync(path)).not.toContain('model-1.safetensors');
    writeFileSync(join(path, 'diary.txt'), 'mine');
    await expect(prepareModelWriter(source, path, { force: true })).rejects.toThrow(/"diary.txt", which is no part of a model/);
    const other = target();
    mkdirSync(join(other, 'config.json'), { recursive: true });
    await expect(prepareModelWriter(source, other, { force: true })).rejects.toThrow(ModelNotWritableError);
    const file = target();
    writeFileSync(file, 'mine');
    await expect(prepareModelWriter(source, file, { force: true })).rejects.toThrow(/is a file/);
    await source.close();
  });

  it('is refused as Q8_0, under the name of a file, and over its source', async () => {
    const from = await writeCheckpoint(target());
    const source = await openModel(from);
    await expect(prepareModelWriter(source, target(), { type: 'Q8_0' })).rejects.toThrow(/Q8_0 is a type of GGUF files/);
    await expect(prepareModelWriter(source, `${target()}.gguf`)).rejects.toThrow(/is named like a file/);
    await expect(prepareModelWriter(source, from, { force: true })).rejects.toThrow(/made from/);
    const single = await openModel(join(from, 'model.safetensors'));
    await expect(prepareModelWriter(single, from, { force: true })).rejects.toThrow(/made from/);
    await Promise.all([source.close(), single.close()]);
  });

  it('leaves nothing behind when it is interrupted, and what was there as it was', async () => {
    const source = await openModel(await writeCheckpoint(target()));
    const path = await writeCheckpoint(target(), { shards: true });
    const before = [readdirSync(folder), readdirSync(path)];
    const controller = new AbortController();
    const onProgress = (): void => controller.abort();
    await expect(writeModel(source, nothing, path, { force: true, signal: controller.signal, onProgress })).rejects.toThrow(AbortedError);
    expect([readdirSync(folder), readdirSync(path)]).toEqual(before);
    expect(existsSync(join(path, 'model.safetensors.index.json'))).toBe(true);
    await source.close();
  });
});
