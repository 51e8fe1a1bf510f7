import { createRandomAdapter } from '@gateskip/backend/conformance';
import { createPolicy } from '@gateskip/scheduler';
import { expect, it } from 'vitest';
import { type GenerateOptions, generateTexts, type Prompt, type WrittenText } from '../src/generation/generate-texts.js';
import { stepLimits } from '../src/index.js';
import { characterModel, characterTokenizer, loadedRunner } from './support/character-model.js';
import { TableRunner } from './support/table-runner.js';

const tokenizer = characterTokenizer();

async function all(prompts: readonly Prompt[], options: GenerateOptions): Promise<WrittenText[]> {
  const texts: WrittenText[] = [];
  for await (const text of generateTexts(prompts, options)) texts.push(text);
  return texts.sort((a, b) => a.index - b.index);
}

it('writes what is likeliest, and ends at end tokens, stop strings and limits', async () => {
  // a -> b -> c -> a ..., d ends; x -> d.
  const codes = 128;
  const after: Record<string, string> = { a: 'b', b: 'c', c: 'a', x: 'd', d: '\0' };
  const table = Array.from({ length: codes }, (_, code) => {
    const next = (after[String.fromCharCode(code)] ?? '\0').charCodeAt(0);
    return Array.from({ length: codes }, (_, token) => (token === next ? 0.5 : 0.5 / (codes - 1)));
  });
  const runner = new TableRunner(table);
  const prompt = (text: string, maxTokens: number): Prompt => ({ tokens: tokenizer.encode(text), maxTokens });
  const options = { runner, tokenizer, policy: undefined, limits: stepLimits(runner, 3), stop: ['cabc', 'zz'] };
  const texts = await all([prompt('xxxxx', 9), prompt('b', 9), prompt('a', 4), prompt('d', 4)], options);
  expect(texts.map(({ text, finish }) => [text, finish])).toEqual([
    ['d', 'stop'],
    ['', 'stop'],
    ['bcab', 'length'],
    ['', 'stop'],
  ]);
  expect(runner.openSequences).toBe(0);
});

it('gives each text alone and among others the same', async () => {
  const model = characterModel();
  const runner = await loadedRunner(model);
  const adapter = createRandomAdapter(model, { seed: 5, standIns: true });
  const prompts = Array.from({ length: 20 }, (_, index) => ({
    tokens: tokenizer.encode(`Say ${'ab '.repeat(index)}:`),
    maxTokens: 4 + (index % 7),
  }));
  for (const name of [undefined, 'global-threshold', 'random', 'branch-quantile']) {
    const context = {
      shape: model.config,
      budget: { skip: 0.3 },
      gates: adapter.gates.spec,
      ...(adapter.calibration && { calibration: adapter.calibration }),
    };
    const policy = name === undefined ? undefined : createPolicy(name, context);
    const options = { runner, tokenizer, policy, limits: stepLimits(runner), stop: ['}}'] };
    const together = await all(prompts, options);
    expect(together).toHaveLength(prompts.length);
    for (const at of [0, 7, 19]) expect({ ...(await all([prompts[at]!], options))[0]!, index: at }).toEqual(together[at]);
    const small = await all(prompts, { ...options, limits: { ...options.limits, maxRows: 64 } });
    expect(small).toEqual(together);
  }
  expect(runner.kvUsage().used).toBe(0);
  await runner.close();
});
