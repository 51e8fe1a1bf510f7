import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel, readAdapter } from '@gateskip/model';
import { builtInRecipe } from '@gateskip/train';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';
import { smallRecipeFile, textOfWords } from './support/train-run.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const text = join(folder, 'text.txt');
const full = join(folder, 'full.json');
const plain = join(folder, 'plain.json');

interface TrainDocument {
  readonly outModel: { readonly path: string; readonly type: string; readonly fingerprint: string; readonly sizeBytes: number };
  readonly model: { readonly fingerprint: string };
}

const words = (out: string, ...more: string[]): string[] => {
  const given = ['train', model, '--out', join(folder, out), '--text', text, '--recipe', full, '--backend', 'reference'];
  return [...given, ...more];
};
const run = (of: string, ...more: string[]) =>
  commandLine(['run', of, 'hello', '--backend', 'reference', '--max-tokens', '4', '--json', ...more]);

beforeAll(() => {
  writeTinyModel(model);
  writeFileSync(text, textOfWords());
  const { gates, optimizer, ...paper } = builtInRecipe('paper-full');
  const small = JSON.parse(smallRecipeFile());
  const { batch, tokens, heldOut, checkpointSeconds } = small;
  writeFileSync(full, JSON.stringify({ ...paper, gates, optimizer, batch, tokens: tokens / 2, heldOut, checkpointSeconds }));
  writeFileSync(plain, JSON.stringify(small));
});

describe('gateskip train of the whole model', () => {
  it('writes a model and its adapter, which run together and dense', async () => {
    const [out, outModel] = [join(folder, 'one.safetensors'), join(folder, 'one.gguf')];
    const ran = await commandLine(words('one.safetensors', '--out-model', outModel, '--lr', 'backbone=0.001'));
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toMatch(/one\.gguf: the trained model, [\d,]+ bytes, matrices as F32/);
    expect(ran.stderr).toMatch(/use it with gateskip run .*one\.gguf --adapter .*one\.safetensors/);
    const adapter = await readAdapter(out);
    const written = await openModel(outModel);
    expect(adapter.modelFingerprint).toBe(written.fingerprint);
    expect(adapter.provenance.command).toBe(
      'gateskip train tiny.gguf --out one.safetensors --out-model one.gguf --recipe full.json --text text.txt --lr backbone=0.001 --backend reference',
    );
    await written.close();
    const used = await run(outModel, '--adapter', out, '--budget', '5%');
    expect(used.code, used.stdout).toBe(0);
    const dense = await run(outModel);
    expect(dense.code, dense.stdout).toBe(0);
    const other = await run(model, '--adapter', out);
    expect([other.code, documentOf<ErrorDocument>(other).error.code]).toEqual([2, 'GS_ADAPTER_MISMATCH']);
  });

  it('tells in JSON what it wrote, of a narrower type too, and goes on from both files', async () => {
    const outModel = join(folder, 'two.gguf');
    const ran = await commandLine(words('two.safetensors', '--out-model', outModel, '--model-type', 'q8_0', '--json'));
    expect(ran.code, ran.stdout).toBe(0);
    const { outModel: told } = documentOf<TrainDocument>(ran);
    expect(told).toMatchObject({ path: outModel, type: 'Q8_0', sizeBytes: readFileSync(outModel).length });
    const again = ['train', outModel, '--start', join(folder, 'two.safetensors'), '--out', join(folder, 'three.safetensors')];
    const more = ['--out-model', join(folder, 'three.gguf'), '--text', text, '--recipe', full, '--backend', 'reference', '--json'];
    const next = await commandLine([...again, ...more]);
    expect(next.code, next.stdout).toBe(0);
    expect((await readAdapter(join(folder, 'three.safetensors'))).modelFingerprint).toBe(
      documentOf<TrainDocument>(next).outModel.fingerprint,
    );
  });

  it('is refused before anything is done where there is no place for the model', async () => {
    const errorOf = async (...more: string[]) => {
      const ran = await commandLine([...words('x.safetensors', ...more), '--json']);
      const { code, remedy } = documentOf<ErrorDocument>(ran).error;
      return [ran.code, code, remedy];
    };
    const there = join(folder, 'there.gguf');
    writeFileSync(there, 'mine');
    expect(await errorOf()).toEqual([2, 'GS_USAGE', expect.stringContaining('--out-model')]);
    expect(await errorOf('--out-model', '')).toEqual([2, 'GS_USAGE', expect.any(String)]);
    expect(await errorOf('--out-model', join(folder, 'x.safetensors'))).toEqual([2, 'GS_USAGE', expect.any(String)]);
    expect(await errorOf('--out-model', there)).toEqual([2, 'GS_FILE_EXISTS', expect.stringContaining('--force')]);
    expect(await errorOf('--out-model', join(folder, 'no', 'x.gguf'))).toEqual([2, 'GS_MODEL_IO', expect.any(String)]);
    expect(await errorOf('--out-model', model, '--force')).toEqual([2, 'GS_MODEL_NOT_WRITABLE', expect.any(String)]);
    expect(await errorOf('--recipe', plain, '--out-model', join(folder, 'x.gguf'))).toEqual([2, 'GS_USAGE', expect.any(String)]);
    expect(await errorOf('--recipe', plain, '--model-type', 'f16')).toEqual([2, 'GS_USAGE', expect.any(String)]);
    expect(await errorOf('--out-model', join(folder, 'x.gguf'), '--model-type', 'q4_0')).toEqual([2, 'GS_USAGE', expect.any(String)]);
    expect(readFileSync(there, 'utf8')).toBe('mine');
    expect(existsSync(join(folder, 'x.safetensors.run'))).toBe(false);
  });
});
