import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type EvaluationItem, prepareTask, RecordInvalidError, RecordLayoutError, type ScoreItem, taskNamed } from '../src/index.js';
import { characterModel } from './support/character-model.js';

const folder = mkdtempSync(join(tmpdir(), 'gateskip-layouts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const model = characterModel();

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const lines = (records: readonly unknown[]): string => records.map((record) => JSON.stringify(record)).join('\n');

async function itemsOf(task: string, text: string, more: object = {}): Promise<readonly EvaluationItem[]> {
  return (await prepareTask(taskNamed(task), { model, data: write('set.jsonl', text), ...more })).items;
}

/** Context and continuation of every text of an item. */
const textsOf = (item: EvaluationItem): string[][] =>
  (item as ScoreItem).texts.map(({ tokens, scoredFrom }) => [
    model.tokenizer!.decode(tokens.subarray(0, scoredFrom)),
    model.tokenizer!.decode(tokens.subarray(scoredFrom)),
  ]);

const four = { text: ['ice', 'iron', 'smoke', 'salt'], label: ['A', 'B', 'C', 'D'] };
const listed = four.text.map((text, index) => ({ text, label: four.label[index] }));

describe.each<[string, string, readonly unknown[], readonly unknown[]]>([
  [
    'hellaswag',
    'of the hub',
    [
      {
        ind: 4,
        activity_label: 'Baking bread',
        ctx_a: 'A man kneads dough.',
        ctx_b: 'ßthe OVEN',
        ctx: 'not read',
        endings: ['is hot.', '[substeps] is  cold.', 'sings.', 'flies.'],
        label: '1',
        split: 'val',
      },
      { activity_label: 'Mend [title] a tyre [step] now', ctx_a: 'Look.', ctx_b: '', endings: ['a', 'b', 'c', 'd'], label: 3 },
    ],
    [
      { prompt: 'Baking bread: A man kneads dough. Ssthe oven', choices: ['is hot.', ' is cold.', 'sings.', 'flies.'], answer: 1 },
      { prompt: 'Mend. a tyre now: Look.', choices: ['a', 'b', 'c', 'd'], answer: 3 },
    ],
  ],
  [
    'piqa',
    'of the hub',
    [{ goal: 'Dry a cup', sol1: 'Use a towel.', sol2: 'Use soup.', label: 0 }],
    [{ prompt: 'Question: Dry a cup\nAnswer:', choices: ['Use a towel.', 'Use soup.'], answer: 0 }],
  ],
  ...['arc_easy', 'arc_challenge'].map((task): [string, string, readonly unknown[], readonly unknown[]] => [
    task,
    'of the hub',
    [
      { id: 'x_1', question: 'What melts?', choices: four, answerKey: 'A' },
      { id: 'x_2', question: 'What rusts?', choices: { ...four, label: ['1', '2', '3', '4'] }, answerKey: '2' },
    ],
    [
      { prompt: 'Question: What melts?\nAnswer:', choices: four.text, answer: 0 },
      { prompt: 'Question: What rusts?\nAnswer:', choices: four.text, answer: 1 },
    ],
  ]),
  [
    'arc_easy',
    'of its makers',
    [{ id: 'x_1', question: { stem: 'What melts?', choices: listed }, answerKey: 'A' }],
    [{ prompt: 'Question: What melts?\nAnswer:', choices: four.text, answer: 0 }],
  ],
  [
    'openbookqa',
    'of the hub',
    [{ id: '7-1', question_stem: 'What rises is', choices: four, answerKey: ' C' }],
    [{ prompt: 'What rises is', choices: four.text, answer: 2 }],
  ],
  [
    'openbookqa',
    'of its makers',
    [{ id: '7-1', question: { stem: 'What rises is', choices: listed }, answerKey: 'C' }],
    [{ prompt: 'What rises is', choices: four.text, answer: 2 }],
  ],
  [
    'commonsenseqa',
    'of the hub',
    [{ id: 'a', question: 'What is on the table?', question_concept: 'table', choices: four, answerKey: 'D' }],
    [{ prompt: 'Question: What is on the table?\nAnswer:', choices: four.text, answer: 3 }],
  ],
  [
    'commonsenseqa',
    'of its makers',
    [{ id: 'a', question: { question_concept: 'table', stem: 'What is on the table?', choices: listed }, answerKey: 'D' }],
    [{ prompt: 'Question: What is on the table?\nAnswer:', choices: four.text, answer: 3 }],
  ],
  [
    'winogrande',
    'of the hub',
    [{ qID: 'q', sentence: 'Ann paid Eve because _ had worked.', option1: 'Ann', option2: 'Eve', answer: '2' }],
    [{ prompt: 'Ann paid Eve because _ had worked.', choices: ['Ann', 'Eve'], answer: 1 }],
  ],
  [
    'mmlu',
    'of the hub',
    [{ question: ' What is salt? ', subject: 'some_art', choices: four.text, answer: 3 }],
    [{ prompt: 'Question: What is salt?\nAnswer:', subject: 'some_art', choices: four.text, answer: 3 }],
  ],
  [
    'squad_v2',
    'of the hub',
    [
      { id: 'a', title: 'T', context: 'Ann did.', question: 'Who?', answers: { text: ['Ann', 'Ann', 'ann'], answer_start: [0, 0, 0] } },
      { id: 'b', title: 'T', context: 'Ann did.', question: 'Why?', answers: { text: [], answer_start: [] } },
    ],
    [
      { title: 'T', context: 'Ann did.', qas: [{ question: 'Who?', answers: ['Ann', 'ann'] }] },
      { title: 'T', context: 'Ann did.', qas: [{ question: 'Why?', answers: [] }] },
    ],
  ],
])('%s %s', (task, _, official, prepared) => {
  const withoutId = ({ id: __, ...item }: EvaluationItem): unknown => item;

  it('gives the items of the prepared file, as JSON Lines, as a list and as pages of the datasets server', async () => {
    const expected = (await itemsOf(task, lines(prepared), { fewShot: 0 })).map(withoutId);
    expect(expected).toHaveLength(official.length);
    const fromLines = await itemsOf(task, lines(official), { fewShot: 0 });
    expect(fromLines.map(withoutId)).toEqual(expected);
    const page = { features: [], rows: official.map((row, index) => ({ row_idx: index, row, truncated_cells: [] })), num_rows_total: 99 };
    for (const text of [JSON.stringify(official), JSON.stringify(official, null, 2), JSON.stringify(page), JSON.stringify(page, null, 1)])
      expect(await itemsOf(task, text, { fewShot: 0 })).toEqual(fromLines);
  });
});

describe('hub records', () => {
  it('of gsm8k, lambada and humaneval have the fields of the prepared ones', async () => {
    const [sum] = await itemsOf('gsm8k', lines([{ question: 'How many?', answer: 'Two.\n#### 2' }]), { fewShot: 0 });
    expect(sum).toMatchObject({ answers: ['Two.\n#### 2'], tokens: model.tokenizer!.encode('Question: How many?\nAnswer:') });
    const [word] = await itemsOf('lambada', lines([{ text: 'He shut the door' }]));
    expect(textsOf(word!)).toEqual([['He shut the', ' door']]);
    const program = {
      task_id: 'own/1',
      prompt: 'def f():\n',
      entry_point: 'f',
      canonical_solution: '',
      test: 'def check(c):\n  assert c()',
    };
    const [code] = await itemsOf('humaneval', lines([program]));
    expect(code).toMatchObject({ program: { before: 'def f():\n', after: '\ndef check(c):\n  assert c()\ncheck(f)' } });
  });

  it('of the paragraphs of a SQuAD document come one a question', async () => {
    const qas = [
      { id: 'a', question: 'Who?', answers: [{ text: 'Ann', answer_start: 0 }], is_impossible: false },
      { id: 'b', question: 'Why?', answers: [], plausible_answers: [{ text: 'Eve', answer_start: 0 }], is_impossible: true },
    ];
    const document = { version: 'v2.0', data: [{ title: 'T', paragraphs: [{ context: 'Ann did.', qas }] }] };
    const items = await itemsOf('squad_v2', JSON.stringify(document));
    expect(items.map(({ id }) => id)).toEqual(['1.1.1', '1.1.2']);
    expect(items).toMatchObject([{ answers: ['Ann'] }, { answers: [] }]);
  });

  it('may be examples too, also from .json files and other names of a split', async () => {
    const record = (sentence: string) => ({ sentence, option1: 'Ann', option2: 'Eve', answer: '1' });
    write('winogrande/validation.json', JSON.stringify([record('_ was early.')]));
    write('winogrande/train.json', JSON.stringify([record('_ was late.')]));
    const { items, source } = await prepareTask(taskNamed('winogrande'), { model, data: folder, fewShot: 1 });
    expect(source).toBe(join(folder, 'winogrande', 'validation.json'));
    expect(textsOf(items[0]!)).toEqual([
      ['Ann was late.\n\nAnn', ' was early.'],
      ['Ann was late.\n\nEve', ' was early.'],
    ]);
  });
});

describe('records of no layout', () => {
  it('are refused with the fields that were looked for', async () => {
    const error = await itemsOf(
      'piqa',
      lines([
        { goal: 'G', sol1: 'a', sol2: 'b', label: 0 },
        { goal: 'G', sol1: 'a', sol2: 'b' },
      ]),
    ).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RecordLayoutError);
    expect(error).toMatchObject({
      code: 'GS_EVAL_LAYOUT',
      fields: {
        line: 2,
        got: ['goal', 'sol1', 'sol2'],
        expected: { 'as prepared': ['prompt', 'choices', 'answer'], 'ybisk/piqa': ['goal', 'sol1', 'sol2', 'label'] },
      },
      message: expect.stringContaining('looked for "prompt", "choices", "answer" (as prepared); or "goal", "sol1", "sol2", "label"'),
    });
    await expect(itemsOf('squad_v2', lines([{ title: 'T' }]))).rejects.toThrow(
      /"paragraphs", "qas", "question", "answers" \(dev-v2.0.json\)/,
    );
  });

  it.each([
    ['a hidden label', 'hellaswag', { activity_label: 'A', ctx_a: 'b', ctx_b: 'c', endings: ['d', 'e'], label: '' }, /the answer ""/],
    ['a label that is none', 'arc_easy', { question: 'Q', choices: four, answerKey: 'E' }, /the answer "E" names none/],
    ['other labels than choices', 'arc_easy', { question: 'Q', choices: { ...four, label: ['A'] }, answerKey: 'A' }, /other labels/],
    [
      'no text to capitalise',
      'hellaswag',
      { activity_label: 'A', ctx_a: 'b', ctx_b: 7, endings: ['d', 'e'], label: '0' },
      /"ctx_b" is no text/,
    ],
    ['nothing but a mark', 'hellaswag', { activity_label: 'A', ctx_a: 'b', ctx_b: 'c', endings: ['[x]', 'e'], label: '0' }, /empty choice/],
    ['answers that are numbers', 'squad_v2', { title: 'T', context: 'C', question: 'Q', answers: { text: [1] } }, /"answers" is neither/],
  ])('%s is named by its line', async (_, task, record, message) => {
    await expect(itemsOf(task, lines([record]), { fewShot: 0 })).rejects.toThrow(RecordInvalidError);
    await expect(itemsOf(task, lines([record]), { fewShot: 0 })).rejects.toThrow(message);
  });
});
