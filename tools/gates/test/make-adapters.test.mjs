import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { recordOf } from '../own-text-record.mjs';
import { recipeOf } from '../recipe-of.mjs';
import { sourceText } from '../source-text.mjs';

const folder = mkdtempSync(join(tmpdir(), 'adapters-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('recipes', () => {
  it('changes what is named and nothing else', () => {
    const plain = recipeOf({ name: 'minutes', recipe: 'minutes' });
    const changed = recipeOf({ name: 'hot', recipe: 'minutes', changes: { straightThrough: { temperature: 0.5 }, trainable: ['gates'] } });
    expect(plain.name).toBe('minutes');
    expect(changed).toEqual({
      ...plain,
      name: 'minutes: hot',
      straightThrough: { ...plain.straightThrough, temperature: 0.5 },
      trainable: ['gates'],
    });
  });

  it('replaces gates that start another way, and nothing where a start is a number', () => {
    const gates = { start: 'random', variant: 'scalar', bias: 0 };
    const changed = recipeOf({ name: 'new', changes: { gates, skip: { start: 0.3 } } });
    expect(changed.gates).toEqual(gates);
    expect(changed.skip).toEqual({ ...recipeOf({ name: 'minutes' }).skip, start: 0.3 });
  });

  it('drops layers of least influence', () => {
    expect(recipeOf({ name: 'repair-40', recipe: 'repair', drop: 12 }).skip).toMatchObject({
      rule: 'static',
      drop: { count: 12, by: 'influence' },
    });
  });
});

describe('text of a source', () => {
  const choices = [
    { prompt: 'The sun is responsible for', choices: ['puppies', 'plants sprouting'], answer: 1 },
    { prompt: 'Question: Where?\nAnswer:', choices: ['here', 'there'], answer: 0 },
    { prompt: 'One more', choices: ['a'], answer: 0 },
  ];
  const lines = choices.map((record) => JSON.stringify(record)).join('\n');

  it('is the file, or its first characters', () => {
    expect(sourceText('abc')).toBe('abc');
    expect(sourceText('abc', { characters: 2 })).toBe('ab');
  });

  it('is questions with their right answers', () => {
    expect(
      sourceText(lines, { choiceRecords: 2 })
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([{ text: 'The sun is responsible for plants sprouting' }, { text: 'Question: Where?\nAnswer: here' }]);
  });

  it('refuses fewer records than asked, and records without a right answer', () => {
    expect(() => sourceText(lines, { choiceRecords: 4 })).toThrow('There are 3 records, not 4.');
    expect(() => sourceText('{"prompt":"a","choices":["b"],"answer":1}', { choiceRecords: 1 })).toThrow('Record 1');
  });
});

describe('records of own text', () => {
  it('takes conversations apart', () => {
    const text = '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi\nthere<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>';
    expect(recordOf(text)).toEqual({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi\nthere' },
        { role: 'assistant', content: 'Hello.' },
      ],
    });
  });

  it('takes an answer that was cut off, and keeps documents and conversations without an answer as text', () => {
    expect(recordOf('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHel')).toMatchObject({ messages: [{}, { content: 'Hel' }] });
    expect(recordOf('Once upon a time<|endoftext|>')).toEqual({ text: 'Once upon a time' });
    expect(recordOf('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n')).toEqual({ text: 'user\nHi\nassistant' });
  });
});

describe('the command', () => {
  const run = (...more) =>
    spawnSync(process.execPath, [resolve(import.meta.dirname, '../make-adapters.mjs'), '--model', 'none', '--data', folder, ...more], {
      encoding: 'utf8',
    });
  const config = join(folder, 'adapters.json');
  writeFileSync(join(folder, 'book.txt'), 'abcdef');
  writeFileSync(
    config,
    JSON.stringify({ texts: { 'short.txt': { from: 'book.txt', characters: 4 } }, profile: { texts: [] }, adapters: [] }),
  );

  it('cuts texts, makes no adapter anew, and refuses another number of tokens in the same folder', () => {
    const out = join(folder, 'out');
    mkdirSync(out);
    expect(run('--config', config, '--out', out, '--tokens', '2048').status).toBe(0);
    expect(readFileSync(join(out, 'short.txt'), 'utf8')).toBe('abcd');
    const other = run('--config', config, '--out', out, '--tokens', '4096');
    expect(other.status).toBe(1);
    expect(other.stderr).toContain('tokens changed');
  });

  it('refuses an adapter that is not configured', () => {
    expect(run('--config', config, '--only', 'best').stderr).toContain('has no adapter best');
  });
});
