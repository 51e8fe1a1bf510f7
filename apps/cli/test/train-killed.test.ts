import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAdapter } from '@gateskip/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, removeProgram, start } from './support/built-program.js';
import { testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';
import { smallRecipeFile, textOfWords } from './support/train-run.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const text = join(folder, 'text.txt');
const recipe = join(folder, 'small.json');
let main: string;

const words = (name: string, ...more: string[]): string[] => {
  const out = join(folder, `${name}.safetensors`);
  return ['train', model, '--out', out, '--text', text, '--recipe', recipe, '--backend', 'reference', '--run', join(folder, name), ...more];
};

/** Kills the program once its log holds a step. */
async function killed(name: string, step: number, ...more: string[]): Promise<void> {
  const { child, ended } = start(main, words(name, ...more));
  const log = join(folder, name, 'log.jsonl');
  const timer = setInterval(() => {
    if (existsSync(log) && readFileSync(log, 'utf8').includes(`"kind":"step","step":${step},`)) child.kill('SIGKILL');
  }, 1);
  const { signal, stderr } = await ended;
  clearInterval(timer);
  expect(signal, stderr).toBe('SIGKILL');
}

beforeAll(() => {
  writeTinyModel(model);
  writeFileSync(text, textOfWords());
  // Without a fit, and kept after every step.
  const gates = { start: 'random', variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false, bias: 0, deviation: 0.1 };
  writeFileSync(recipe, smallRecipeFile({ gates, tokens: 640 }));
  main = buildProgram();
});
afterAll(removeProgram);

describe('gateskip train, killed', () => {
  it('goes on after kill -9, again and again, and ends in the same bits as an unbroken run', async () => {
    const unbroken = await start(main, words('unbroken')).ended;
    expect(unbroken.code, unbroken.stderr).toBe(0);
    await killed('broken', 2);
    await killed('broken', 5, '--resume');
    const { code, stderr } = await start(main, words('broken', '--resume')).ended;
    expect(code, stderr).toBe(0);
    const [a, b] = await Promise.all(['unbroken', 'broken'].map((name) => readAdapter(join(folder, `${name}.safetensors`))));
    const { provenance: first, ...one } = a!;
    const { provenance: second, ...other } = b!;
    expect(other).toEqual(one);
    expect(second.data).toBe(first.data);
  });
});
