import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EvaluationResults } from '@gateskip/evaluate';
import { describe, expect, it } from 'vitest';
import { commandLine, documentOf, type Ran, testFolder } from './support/command-line.js';

/** Our own, and easy: what any model of language gets right. */
const endings = [
  { prompt: 'She opened the door with a', choices: ['key.', 'cloud.', 'song.'], answer: 0 },
  { prompt: 'In winter the lake was covered with', choices: ['ice.', 'arithmetic.', 'spoons.'], answer: 0 },
  { prompt: 'Question: What do bees make?\nAnswer:', choices: ['Bricks', 'Honey', 'Petrol'], answer: 1 },
  { prompt: 'Question: What is the capital of France?\nAnswer:', choices: ['Madrid', 'Cairo', 'Paris'], answer: 2 },
  { prompt: 'The dog wagged its', choices: ['ceiling.', 'theory.', 'tail.'], answer: 2 },
  { prompt: 'He was thirsty, so he drank a glass of', choices: ['water.', 'sand.', 'glass.'], answer: 0 },
];
const words = [
  'Once upon a time, in a small village, there lived an old man and his wife. One day the old man said to his wife',
  'One, two, three, four, five, six, seven, eight, nine, ten',
  'Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday',
];
const env = Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
const folder = testFolder();

/** Why the real model or the native backend cannot be had here; undefined where they can. */
async function missing(): Promise<string | undefined> {
  const failed = (ran: Ran): string => documentOf<{ error: { message: string } }>(ran).error.message;
  const pulled = await commandLine(['pull', 'smollm2-135m', '--json'], { env });
  if (pulled.code !== 0) return failed(pulled);
  const { backends } = documentOf<{ backends: { name: string; available: boolean; reasons: string[] }[] }>(
    await commandLine(['backends', '--json']),
  );
  const cpu = backends.find(({ name }) => name === 'cpu')!;
  return cpu.available ? undefined : `backend cpu: ${cpu.reasons.join('; ')}`;
}

describe('eval of the real model', () => {
  it('knows what is easy, and loses little under a small budget', async ({ skip }) => {
    const reason = await missing();
    if (reason) skip(reason);
    const write = (name: string, records: readonly unknown[]): string => {
      const path = join(folder, name);
      writeFileSync(path, records.map((record) => JSON.stringify(record)).join('\n'));
      return path;
    };
    const data = ['--data', `hellaswag=${write('endings.jsonl', endings)}`];
    data.push(
      '--data',
      `lambada=${write(
        'words.jsonl',
        words.map((text) => ({ text })),
      )}`,
    );
    const model = ['eval', 'smollm2-135m', '--backend', 'cpu', '--speed-rounds', '1', '--json'];
    const ran = await commandLine([...model, '--tasks', 'hellaswag,lambada', ...data, '--budget', 'net=95%'], { env });
    if (ran.code === 2 && ran.stdout.includes('GS_NO_ADAPTER')) skip('no gates are bundled: their package holds no gate file');
    expect(ran.code, ran.stdout).toBe(0);
    const { runs } = documentOf<EvaluationResults>(ran);
    const [dense, gated] = runs;
    expect(dense!.tasks.hellaswag!.metrics.acc).toBeGreaterThanOrEqual(5 / 6);
    expect(dense!.tasks.lambada!.metrics.acc).toBeGreaterThanOrEqual(2 / 3);
    expect(gated!.tasks.hellaswag!.metrics.acc).toBeGreaterThanOrEqual(4 / 6);
    expect(gated!.held.net).toBeLessThan(1);
    expect(gated!.speed!.decode.median).toBeGreaterThan(0);
  });
});
