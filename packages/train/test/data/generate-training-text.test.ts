import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Runner } from '@gateskip/backend';
import { referenceBackend } from '@gateskip/backend-reference';
import { createEngine } from '@gateskip/engine';
import { AbortedError, InvalidArgumentError } from '@gateskip/errors';
import { describe, expect, it } from 'vitest';
import {
  builtInTrainingPrompts,
  type GenerateTrainingTextOptions,
  generateTrainingText,
  readTrainingPrompts,
  type TrainingPrompt,
  TrainingTextInvalidError,
} from '../../src/index.js';
import { asciiModel, asciiTokenizer, BEGIN, END, testFolder } from './support.js';

const model = asciiModel();
const { decode } = asciiTokenizer();
const prompts: readonly TrainingPrompt[] = [
  ...['Who?', 'Where?', 'When?', 'Why?', 'How?'].map(
    (content): TrainingPrompt => ({ kind: 'chat', messages: [{ role: 'user', content }] }),
  ),
  { kind: 'document', text: 'It was' },
  { kind: 'document', text: '' },
  { kind: 'document', text: '# A' },
];

const generate = (more: Partial<GenerateTrainingTextOptions> = {}) =>
  generateTrainingText({
    model,
    backend: referenceBackend,
    prompts,
    tokens: 1500,
    maxAnswerTokens: 20,
    parallel: 4,
    license: 'CC0-1.0',
    ...more,
  });

/** Without what depends on time and cache. */
const textOf = ({ report: _report, ...text }: Awaited<ReturnType<typeof generate>>) => text;

const shardsIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile())
    .sort();

describe('generateTrainingText', () => {
  it('weighs answers and their end, not prompts', async () => {
    const { train, heldOut, report } = await generate();
    const sequences = [...train, ...heldOut];
    expect(report.answers).toBe(sequences.length);
    expect(report.tokens).toBe(sequences.reduce((sum, { tokens }) => sum + tokens.length, 0));
    expect(report.tokens).toBeGreaterThanOrEqual(1500);
    let ended = 0;
    for (const { tokens, rowWeights } of sequences) {
      const text = decode(tokens);
      const prompt = [/^<turn>user:\w+\?<end>\n<turn>assistant:/, /^It was/, /^# A/, /^<begin>/]
        .map((pattern) => pattern.exec(text)?.[0])
        .find(Boolean);
      const promptTokens = asciiTokenizer().encode(prompt as string, { special: true }).length;
      const weights = Array.from(tokens, (_, row) => (row >= promptTokens - 1 && row < tokens.length - 1 ? 1 : 0));
      expect([...rowWeights]).toEqual(weights);
      if (tokens.at(-1) === END) ended++;
      expect(tokens.length).toBeLessThanOrEqual(promptTokens + 21);
    }
    expect(report.endedAnswers).toBe(ended);
    expect(ended).toBeGreaterThan(0);
    expect(sequences.some(({ tokens }) => tokens[0] === BEGIN)).toBe(true);
    const weighed = await generate({ promptWeight: 0.25, tokens: 200 });
    expect(weighed.train[0]?.rowWeights[0]).toBe(0.25);
  });

  it('is the same text however many are written at once, by an engine or by model and backend', async () => {
    const one = textOf(await generate({ parallel: 1 }));
    const many = textOf(await generate({ parallel: 9 }));
    expect(many).toEqual(one);
    const engine = await createEngine({ model, backend: referenceBackend });
    const options = { prompts, tokens: 1500, maxAnswerTokens: 20, license: 'CC0-1.0' };
    expect(textOf(await generateTrainingText({ engine, ...options }))).toEqual(one);
    // It stays the caller's.
    expect((await engine.generate({ prompt: 'x', maxTokens: 1 }).result).completionTokens).toBeLessThanOrEqual(1);
    await engine.close();
    expect(textOf(await generate({ seed: 2 })).fingerprint).not.toBe(one.fingerprint);
  });

  it('keeps answers of one prompt on one side', async () => {
    const { train, heldOut } = await generate({ tokens: 2500, promptWeight: 1, heldOutShare: 0.3 });
    const promptsOf = (side: typeof train) =>
      new Set(side.map(({ tokens }) => decode(tokens).match(/user:(\w+)\?|^It was|^# A|^<begin>/)?.[0]));
    expect([...promptsOf(train)].filter((prompt) => promptsOf(heldOut).has(prompt))).toEqual([]);
  });

  it('goes on where it was stopped, to the same text', async () => {
    const whole = textOf(await generate({ tokens: 1600 }));
    const cacheFolder = testFolder();
    for (const stopAfter of [300, 700, 1100]) {
      const stop = new AbortController();
      const onProgress = ({ done }: { done: number }): void => void (done >= stopAfter && stop.abort());
      await expect(generate({ tokens: 1600, cacheFolder, signal: stop.signal, onProgress })).rejects.toThrow(AbortedError);
    }
    const resumed = await generate({ tokens: 1600, cacheFolder });
    expect(resumed.report.cachedTokens).toBeGreaterThan(700);
    expect(textOf(resumed)).toEqual(whole);
  });

  it('reads a whole text from its folder without loading the model, and goes on when more is wanted', async () => {
    const cacheFolder = testFolder();
    const first = await generate({ cacheFolder });
    const broken = { ...referenceBackend, load: () => Promise.reject(new Error('must not load')) };
    const options = { prompts, tokens: 1500, maxAnswerTokens: 20, license: 'CC0-1.0', cacheFolder };
    const second = await generateTrainingText({ model, backend: broken, ...options });
    expect(textOf(second)).toEqual(textOf(first));
    expect(second.report).toMatchObject({ cachedTokens: first.report.tokens, tokensPerSecond: 0 });
    const fewer = await generateTrainingText({ model, backend: broken, ...options, tokens: 300 });
    expect(fewer.report.answers).toBeLessThan(first.report.answers);
    const more = await generate({ cacheFolder, tokens: 2200 });
    expect(more.report.cachedTokens).toBe(first.report.tokens);
    expect(textOf(more)).toEqual(textOf(await generate({ tokens: 2200 })));
  });

  it('writes damaged shards anew', async () => {
    const damages: ((path: string) => void)[] = [
      (path) => truncateSync(path, statSync(path).size - 3),
      (path) => {
        const bytes = readFileSync(path);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 64;
        writeFileSync(path, bytes);
      },
      (path) => writeFileSync(path, ''),
      (path) => rmSync(path),
    ];
    const whole = textOf(await generate({ tokens: 1600 }));
    const cacheFolder = testFolder();
    await generate({ tokens: 1600, cacheFolder });
    const shards = shardsIn(cacheFolder);
    expect(shards.length).toBeGreaterThan(1);
    for (const [index, damage] of damages.entries()) {
      damage(shards[index % 2] as string);
      const repaired = await generate({ tokens: 1600, cacheFolder });
      expect(textOf(repaired)).toEqual(whole);
      expect(repaired.report.damagedShards).toBe(index < 3 ? 1 : 0);
      expect(repaired.report.cachedTokens).toBeLessThan(repaired.report.tokens);
    }
    // A shard of another request does not pass for one of this.
    const [other] = shardsIn((await generate({ tokens: 1600, seed: 5, cacheFolder: testFolder() })).report.folder as string);
    writeFileSync(shards[0] as string, readFileSync(other as string));
    expect(textOf(await generate({ tokens: 1600, cacheFolder }))).toEqual(whole);
  });

  it('ends at the first failure and keeps what was written', async () => {
    const cacheFolder = testFolder();
    let steps = 0;
    const failing = {
      ...referenceBackend,
      load: async (...given: Parameters<typeof referenceBackend.load>) => {
        const runner = await referenceBackend.load(...given);
        const step: Runner['step'] = (...args) => (++steps > 120 ? Promise.reject(new Error('device lost')) : runner.step(...args));
        return new Proxy(runner, {
          get: (target, name) => {
            const value = name === 'step' ? step : (Reflect.get(target, name) as unknown);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
      },
    };
    const options = { model, prompts, tokens: 1500, maxAnswerTokens: 20, parallel: 4, license: 'CC0-1.0', cacheFolder };
    const error = await generateTrainingText({ ...options, backend: failing }).catch((thrown: unknown) => thrown);
    expect(error).not.toBeInstanceOf(AbortedError);
    expect(String((error as Error).cause ?? error)).toContain('device lost');
    expect(steps).toBeLessThan(140);
    const resumed = await generateTrainingText({ ...options, backend: referenceBackend });
    expect(resumed.report.cachedTokens).toBeGreaterThan(0);
    expect(textOf(resumed)).toEqual(textOf(await generate()));
  });

  it('says what is wrong', async () => {
    const wrong: Partial<GenerateTrainingTextOptions>[] = [
      { tokens: 0 },
      { seed: 1.5 },
      { parallel: 0 },
      { temperature: Number.NaN },
      { heldOutShare: 0.9 },
      { license: '' },
      { prompts: [] },
      { prompts: [{ kind: 'document', text: 'x'.repeat(200) }] },
    ];
    for (const one of wrong) await expect(generate(one)).rejects.toThrow(InvalidArgumentError);
    await expect(generate({ signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
    const broken = { ...referenceBackend, load: () => Promise.reject(new Error('no memory')) };
    await expect(generateTrainingText({ model, backend: broken, prompts, tokens: 99, license: 'CC0-1.0' })).rejects.toThrow('no memory');
  });
});

describe('training prompts', () => {
  it('are several hundred, all different', () => {
    const all = builtInTrainingPrompts().map((prompt) => JSON.stringify(prompt));
    expect(all.length).toBeGreaterThan(900);
    expect(new Set(all).size).toBe(all.length);
    expect(all.filter((prompt) => prompt.includes('{}'))).toEqual([]);
    expect(builtInTrainingPrompts().filter(({ kind }) => kind === 'document').length).toBeGreaterThan(100);
  });

  it('are read from a file', async () => {
    const path = join(testFolder(), 'prompts.txt');
    const lines = [
      'Why is it dark at night?\r',
      '',
      '{"prompt": "Hello"}',
      '{"text": "Once"}',
      '{"messages": [{"role": "user", "content": "Hi"}]}',
    ];
    writeFileSync(path, lines.join('\n'));
    expect(await readTrainingPrompts(path)).toEqual([
      { kind: 'chat', messages: [{ role: 'user', content: 'Why is it dark at night?' }] },
      { kind: 'chat', messages: [{ role: 'user', content: 'Hello' }] },
      { kind: 'document', text: 'Once' },
      { kind: 'chat', messages: [{ role: 'user', content: 'Hi' }] },
    ]);
    for (const [bad, line] of [
      ['ok\n{"a": 1}', 2],
      ['{"messages": [{"role": 1}]}', 1],
      ['{', 1],
      ['\n', undefined],
    ] as const) {
      writeFileSync(path, bad);
      const error = await readTrainingPrompts(path).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TrainingTextInvalidError);
      expect((error as TrainingTextInvalidError).fields.line).toBe(line);
    }
  });
});
