import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  DataMissingError,
  type EvaluationTask,
  prepareTask,
  RecordInvalidError,
  readTask,
  type ScoreItem,
  TaskInvalidError,
  taskNamed,
  tasks,
  UnknownTaskError,
  validateTask,
} from '../src/index.js';
import { characterModel } from './support/character-model.js';

const folder = mkdtempSync(join(tmpdir(), 'gateskip-tasks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const model = characterModel();

function write(name: string, ...records: readonly unknown[]): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record))).join('\n'));
  return path;
}

/** Context and continuation of every text of an item. */
function textsOf(item: ScoreItem): string[][] {
  const decode = (ids: Int32Array): string => model.tokenizer!.decode(ids);
  return item.texts.map(({ tokens, scoredFrom }) => [decode(tokens.subarray(0, scoredFrom)), decode(tokens.subarray(scoredFrom))]);
}

const prepare = async (task: EvaluationTask, data: string, more: object = {}): Promise<ScoreItem[]> =>
  (await prepareTask(task, { model, data, ...more })).items as ScoreItem[];

it('every task that comes along is valid, and survives JSON', () => {
  for (const task of tasks) expect(validateTask(JSON.parse(JSON.stringify(task)))).toEqual(task);
  expect(new Set(tasks.map(({ name }) => name)).size).toBe(tasks.length);
  expect(taskNamed('piqa').kind).toBe('choice');
  expect(() => taskNamed('pica')).toThrow(UnknownTaskError);
});

describe('own tasks', () => {
  const good = JSON.parse(JSON.stringify(taskNamed('piqa'))) as Record<string, unknown>;
  const layout = { name: 'x', prompt: '{{a}}', choices: ['b', 'c'], answer: 'd' };
  const program = JSON.parse(JSON.stringify(taskNamed('humaneval'))) as Record<string, unknown>;
  const written = program.generation as object;
  it.each<[string, unknown, RegExp]>([
    ['a list', [], /no object/],
    ['an unknown field', { ...good, extra: 1 }, /unknown field "extra"/],
    ['a name with a slash', { ...good, name: '../x' }, /its name/],
    ['an unknown kind', { ...good, kind: 'guess' }, /kind must be one of/],
    ['no choices', { ...good, fields: { prompt: 'prompt' } }, /needs fields.choices/],
    ['a file outside', { ...good, data: { files: ['../../etc/passwd'] } }, /plain file name/],
    ['a metric of another kind', { ...good, metrics: ['f1'] }, /metric "f1"/],
    ['a metric twice', { ...good, metrics: ['acc', 'acc'] }, /twice/],
    ['too many examples', { ...good, fewShot: { count: 1e9, order: 'first' } }, /fewShot.count/],
    ['a layout that is none', { ...good, layouts: ['prompt'] }, /a layout must be an object/],
    ['a layout without choices', { ...good, layouts: [{ name: 'x', prompt: '{{a}}', answer: 'b' }] }, /needs layouts.choices/],
    ['a layout with a template that cannot be read', { ...good, layouts: [{ ...layout, prompt: '{{a|loud}}' }] }, /not \{\{field\}\}/],
    ['a layout cleaned otherwise', { ...good, layouts: [{ ...layout, clean: 'soap' }] }, /layouts.clean/],
    ['programs without a place for the text', { ...program, generation: { ...written, program: 'pass' } }, /one \{\{completion\}\}/],
    [
      'a program that nothing runs',
      { ...program, metrics: [], generation: { ...written, score: 'none' } },
      /needs generation.score python/,
    ],
    ['a template that cannot be read', { ...good, prompt: '{{a b}}' }, /not \{\{field\}\}/],
    ['generation without limits', { ...good, kind: 'generate', metrics: [] }, /needs generation/],
  ])('%s is refused', (_, value, message) => {
    expect(() => validateTask(value)).toThrow(TaskInvalidError);
    expect(() => validateTask(value)).toThrow(message);
  });

  it('are read from JSON files', async () => {
    expect(await readTask(write('own.json', { ...good, name: 'own' }))).toMatchObject({ name: 'own' });
    await expect(readTask(write('broken.json', '{'))).rejects.toThrow(TaskInvalidError);
    await expect(readTask(join(folder, 'none.json'))).rejects.toThrow(DataMissingError);
  });
});

describe('items', () => {
  it('of piqa score the choices after a space', async () => {
    const path = write('piqa/validation.jsonl', { prompt: 'Question: How?\nAnswer:', choices: ['So.', 'Thus.'], answer: 1 });
    const [item] = await prepare(taskNamed('piqa'), folder);
    expect(textsOf(item!)).toEqual([
      ['Question: How?\nAnswer:', ' So.'],
      ['Question: How?\nAnswer:', ' Thus.'],
    ]);
    expect(item).toMatchObject({ id: '1', lengths: [3, 5], answer: 1, cutTokens: 0 });
    // A file alone does as well.
    expect(await prepare(taskNamed('piqa'), path)).toEqual([item]);
  });

  it('count characters, not bytes and not halves of surrogate pairs', async () => {
    write('piqa/validation.jsonl', { prompt: 'Question: How?\nAnswer:', choices: ['Thé.', '😀😀'], answer: 1 });
    const [item] = await prepare(taskNamed('piqa'), folder);
    expect(item).toMatchObject({ lengths: [4, 2] });
  });

  it('of winogrande put each name in its place and score the rest', async () => {
    write('winogrande/dev.jsonl', { prompt: 'Ann thanked Eve because _ had helped.', choices: ['Ann', 'Eve'], answer: 1 });
    const [item] = await prepare(taskNamed('winogrande'), folder);
    expect(textsOf(item!)).toEqual([
      ['Ann thanked Eve because Ann', ' had helped.'],
      ['Ann thanked Eve because Eve', ' had helped.'],
    ]);
  });

  it('of lambada score what follows the last space', async () => {
    write('lambada/test.jsonl', { text: 'He opened the old door' });
    const [item] = await prepare(taskNamed('lambada'), folder);
    expect(textsOf(item!)).toEqual([['He opened the old', ' door']]);
  });

  it('of mmlu print choices and examples of the same subject, and score letters', async () => {
    const record = (subject: string, name: string, answer: number) => ({
      prompt: `Question: ${name}?\nAnswer:`,
      choices: ['w', 'x', 'y', 'z'],
      answer,
      subject,
    });
    write('mmlu/dev.jsonl', record('some_art', 'first', 2), record('other', 'alien', 0), record('some_art', 'second', 0));
    write('mmlu/test.jsonl', record('some_art', 'asked', 3));
    const [item] = await prepare(taskNamed('mmlu'), folder, { fewShot: 2 });
    const list = 'A. w\nB. x\nC. y\nD. z\nAnswer:';
    const head = 'The following are multiple choice questions (with answers) about some art.\n\n';
    const context = `${head}first?\n${list} C\n\nsecond?\n${list} A\n\nasked?\n${list}`;
    expect(textsOf(item!)).toEqual(['A', 'B', 'C', 'D'].map((letter) => [context, ` ${letter}`]));
    expect(item).toMatchObject({ group: 'some_art', answer: 3 });
    await expect(prepare(taskNamed('mmlu'), folder, { fewShot: 3 })).rejects.toThrow(/needs 3 examples of subject "some_art", 2 are there/);
  });

  it('read the forms that data sets of the hub have', async () => {
    const own = {
      ...taskNamed('arc_easy'),
      fields: { prompt: 'question', choices: 'choices', answer: 'answerKey' },
      prompt: 'Question: {{prompt}}\nAnswer:',
    };
    const choices = { text: ['one', 'two', 'three'], label: ['1', '2', '3'] };
    const path = write(
      'hub.jsonl',
      { question: 'Q', choices, answerKey: '2' },
      { question: 'Q', choices: { ...choices, label: ['A', 'B', 'C'] }, answerKey: 'C' },
    );
    expect((await prepare(own, path)).map(({ answer }) => answer)).toEqual([1, 2]);
    const fields = { prompt: 'goal', choices: ['sol1', 'sol2'], answer: 'label' };
    const two = write('two.jsonl', { goal: 'G', sol1: 'a', sol2: 'b', label: '1' });
    expect(await prepare({ ...own, fields }, two)).toMatchObject([{ answer: 1 }]);
    expect(await prepare({ ...own, fields: { ...fields, answerBase: 1 } }, two)).toMatchObject([{ answer: 0 }]);
  });

  it('of squad come one a question', async () => {
    const qas = [
      { question: 'Who?', answers: ['Ann'] },
      { question: 'Why?', answers: [] },
    ];
    write('squad_v2/dev.jsonl', { title: 'T', context: 'Ann did.', qas });
    const { items } = await prepareTask(taskNamed('squad_v2'), { model, data: folder });
    expect(items.map(({ id }) => id)).toEqual(['1.1', '1.2']);
    expect(items[1]).toMatchObject({
      kind: 'generate',
      answers: [],
      tokens: model.tokenizer!.encode('Title: T\n\nBackground: Ann did.\n\nQuestion: Why?\n\nAnswer:'),
    });
  });

  it('are never their own example, and examples are drawn by seed', async () => {
    const names = ['one', 'two', 'three', 'four', 'five', 'six'];
    const path = write('self/validation.jsonl', ...names.map((name) => ({ prompt: `It is ${name}:`, choices: ['yes', 'no'], answer: 0 })));
    const own = { ...taskNamed('hellaswag'), data: { files: ['self/validation.jsonl'] } };
    const items = await prepare(own, folder, { fewShot: 5 });
    for (const [index, item] of items.entries()) {
      const context = textsOf(item)[0]![0] as string;
      expect(context.split('\n\n')).toHaveLength(6);
      expect(context.split(`It is ${names[index]}:`)).toHaveLength(2);
    }
    const contexts = async (seed: number) => (await prepare(own, path, { fewShot: 2, seed })).map((item) => textsOf(item)[0]![0]);
    expect(await contexts(1)).toEqual(await contexts(1));
    expect(await contexts(1)).not.toEqual(await contexts(2));
  });

  it('are limited by a seeded sample or from the first', async () => {
    write(
      'many/validation.jsonl',
      ...Array.from({ length: 50 }, (_, index) => ({ prompt: `Number ${index}`, choices: ['a', 'b'], answer: 0 })),
    );
    const own = { ...taskNamed('hellaswag'), data: { files: ['many/validation.jsonl'] } };
    const ids = async (more: object) => (await prepare(own, folder, { limit: 5, ...more })).map(({ id }) => Number(id));
    expect(await ids({ take: 'first' })).toEqual([1, 2, 3, 4, 5]);
    expect(await ids({ seed: 4 })).toEqual(await ids({ seed: 4 }));
    expect(await ids({ seed: 4 })).not.toEqual(await ids({ seed: 5 }));
  });

  it('are cut where they do not fit the context', async () => {
    const path = write('long.jsonl', { prompt: 'word '.repeat(200), choices: ['a', 'b'], answer: 0 });
    const [item] = await prepare(taskNamed('hellaswag'), path);
    expect(item!.cutTokens).toBeGreaterThan(0);
    expect(item!.texts.map(({ tokens }) => tokens.length - 1)).toEqual([512, 512]);
  });
});

describe('bad records', () => {
  const good = { prompt: 'P', choices: ['a', 'b'], answer: 0 };
  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{"prompt":', /line 2: it is no JSON/],
    ['a list', '[]', /line 2: it is no object/],
    ['a number for a prompt', { ...good, prompt: 7 }, /line 2: the field "prompt" is no text/],
    ['one choice', { ...good, choices: ['a'] }, /line 2: the field "choices" is no list of 2 to 26/],
    ['an empty choice', { ...good, choices: ['a', ''] }, /line 2: .*empty choice/],
    ['an answer outside', { ...good, answer: 2 }, /line 2: the answer 2 names none of 2 choices/],
    ['half an answer', { ...good, answer: 0.5 }, /line 2: the answer 0.5/],
  ])('%s is named by its line', async (_, record, message) => {
    const path = write('bad.jsonl', good, record as object);
    await expect(prepare(taskNamed('hellaswag'), path)).rejects.toThrow(RecordInvalidError);
    await expect(prepare(taskNamed('hellaswag'), path)).rejects.toThrow(message);
  });

  it('and files that are not there, empty, or no text are named', async () => {
    await expect(prepare(taskNamed('hellaswag'), join(folder, 'nowhere'))).rejects.toThrow(DataMissingError);
    await expect(prepare(taskNamed('gsm8k'), folder)).rejects.toThrow(/looked for gsm8k\/test.jsonl/);
    await expect(prepare(taskNamed('hellaswag'), write('empty.jsonl'))).rejects.toThrow(/no records/);
    const path = join(folder, 'bytes.jsonl');
    writeFileSync(path, Uint8Array.of(0xff, 0xfe, 0x0a));
    await expect(prepare(taskNamed('hellaswag'), path)).rejects.toThrow(/not UTF-8/);
  });
});
