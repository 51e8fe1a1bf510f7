import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAdapter } from '@gateskip/model';
import { builtInRecipe } from '@gateskip/train';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';
import { smallRecipeFile, textOfWords } from './support/train-run.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const text = join(folder, 'text.txt');
const recipe = join(folder, 'small.json');

interface TrainDocument {
  readonly out: string;
  readonly adapter: { readonly provenance: Readonly<Record<string, string>> };
  readonly report: {
    readonly steps: number;
    readonly start: { readonly points: readonly { readonly netSaved: number; readonly kl: number }[] };
    readonly trained: { readonly points: readonly { readonly netSaved: number; readonly kl: number }[] };
  };
}

const words = (out: string, ...more: string[]): string[] => [
  'train',
  model,
  '--out',
  join(folder, out),
  '--text',
  text,
  '--recipe',
  recipe,
  '--backend',
  'reference',
  ...more,
];
const errorOf = async (given: readonly string[]) => {
  const ran = await commandLine([...given, '--json']);
  return [ran.code, documentOf<ErrorDocument>(ran).error.code];
};

beforeAll(() => {
  writeTinyModel(model);
  writeFileSync(text, textOfWords());
  writeFileSync(recipe, smallRecipeFile());
});

describe('gateskip train', () => {
  it('trains an adapter that eats a budget, and shows its curve beside that of the start', async () => {
    const ran = await commandLine(words('one.safetensors', '--data-license', 'CC0-1.0'));
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(
      /^ *net MACs saved +KL start +KL trained +change +same top-1 start +same top-1 trained\nnothing skipped +0\.0/,
    );
    expect(ran.stderr).toMatch(/one\.safetensors: [\d,]+ bytes; [\d,]+ numbers trained in \d+ steps on [\d,]+ tokens/);
    const adapter = await readAdapter(join(folder, 'one.safetensors'));
    expect(adapter.provenance).toMatchObject({
      method: 'train lora',
      license: 'CC0-1.0',
      command: 'gateskip train tiny.gguf --out one.safetensors --recipe small.json --text text.txt --backend reference',
    });
    expect(JSON.stringify(adapter.provenance)).not.toContain(folder);
    for (const name of ['config.json', 'log.jsonl', 'curve.svg'])
      expect(existsSync(join(folder, 'one.safetensors.run', name)), name).toBe(true);
    const used = await commandLine([
      'run',
      model,
      'hello',
      '--backend',
      'reference',
      '--adapter',
      join(folder, 'one.safetensors'),
      '--budget',
      '10%',
      '--max-tokens',
      '4',
      '--json',
    ]);
    expect(used.code, used.stdout).toBe(0);
  });

  it('takes what single options change, and goes on where it was stopped', async () => {
    const controller = new AbortController();
    const given = words(
      'three.safetensors',
      '--tokens',
      '256',
      '--lr',
      'lora=0.002',
      '--lr',
      'gates=0',
      '--seed',
      '7',
      '--kv',
      'absent',
      '--json',
    );
    const log = join(folder, 'three.safetensors.run', 'log.jsonl');
    const timer = setInterval(() => {
      if (existsSync(log) && readFileSync(log, 'utf8').includes('"step":2,')) controller.abort();
    }, 5);
    const stopped = await commandLine(given, { signal: controller.signal });
    clearInterval(timer);
    expect(stopped.code).toBe(130);
    expect(existsSync(join(folder, 'three.safetensors'))).toBe(false);
    expect(await errorOf(given.slice(0, -1))).toEqual([2, 'GS_RUN_FOLDER']);
    const resumed = await commandLine([...given, '--resume']);
    expect(resumed.code, resumed.stdout).toBe(0);
    const config = JSON.parse(readFileSync(join(folder, 'three.safetensors.run', 'config.json'), 'utf8'));
    expect(config.recipe).toMatchObject({
      tokens: 256,
      seed: 7,
      kv: 'absent',
      optimizer: { rates: { lora: 0.002, gates: 0, standIns: 0.003 } },
    });
    expect((await readAdapter(join(folder, 'three.safetensors'))).calibration.kv).toBe('absent');
  });

  it('lets the model write the text, and starts from an adapter', async () => {
    const start = join(folder, 'one.safetensors');
    const given = ['train', model, '--out', join(folder, 'self.safetensors'), '--self', '--text-tokens', '600', '--recipe', recipe];
    const ran = await commandLine([...given, '--start', start, '--backend', 'reference', '--json']);
    expect(ran.code, ran.stdout).toBe(0);
    const { adapter, report } = documentOf<TrainDocument>(ran);
    expect(adapter.provenance.data).toMatch(/own text/);
    expect(report.steps).toBeGreaterThan(2);
    expect(report.start.points).toHaveLength(report.trained.points.length);
  });

  it('prints recipes that can be read back', async () => {
    const ran = await commandLine(['train', '--print-recipe', 'paper']);
    expect([ran.code, JSON.parse(ran.stdout)]).toEqual([0, builtInRecipe('paper')]);
  });

  it('refuses what cannot be meant', async () => {
    expect(await errorOf(['train', '--out', 'a.safetensors'])).toEqual([2, 'GS_USAGE']);
    expect(await errorOf(['train', model])).toEqual([2, 'GS_USAGE']);
    expect(await errorOf(words('x.safetensors', '--self'))).toEqual([2, 'GS_USAGE']);
    expect(await errorOf(['train', '--print-recipe', 'mine'])).toEqual([2, 'GS_USAGE']);
    expect(await errorOf([...words('x.safetensors').slice(0, -2), '--recipe', 'mine'])).toEqual([2, 'GS_USAGE']);
    expect(await errorOf(words('x.safetensors', '--lr', 'lora=fast'))).toEqual([2, 'GS_RECIPE_INVALID']);
    expect(await errorOf(words('x.safetensors', '--lr', 'head=0.1'))).toEqual([2, 'GS_RECIPE_INVALID']);
    expect(await errorOf(words('x.safetensors', '--drop', '1,2'))).toEqual([2, 'GS_RECIPE_INVALID']);
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, '{"format":');
    expect(await errorOf([...words('x.safetensors'), '--recipe', broken])).toEqual([2, 'GS_USAGE']);
    writeFileSync(broken, JSON.stringify({ ...builtInRecipe('minutes'), extra: 1 }));
    expect(await errorOf([...words('x.safetensors'), '--recipe', broken])).toEqual([2, 'GS_RECIPE_INVALID']);
    expect(existsSync(join(folder, 'x.safetensors.run'))).toBe(false);
  });
});
