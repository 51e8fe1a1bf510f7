import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AbortedError, InvalidArgumentError } from '@gateskip/errors';
import { TemplateError } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import {
  type ReadTrainingTextRequest,
  readTrainingText,
  type TrainingSequence,
  TrainingTextInvalidError,
  TrainingTextTooShortError,
} from '../../src/index.js';
import { allTokens, asciiModel, asciiTokenizer, BEGIN, END, testFolder } from './support.js';

const model = asciiModel();
const license = 'CC0-1.0';
const { decode } = asciiTokenizer();

function written(name: string, contents: string | Uint8Array): string {
  const path = join(testFolder(), name);
  writeFileSync(path, contents);
  return path;
}

const read = (paths: string[], more: Partial<ReadTrainingTextRequest> = {}) =>
  readTrainingText({ paths, model, windowTokens: 64, license, ...more });

/** Several records, one of which is in front of the others. */
function jsonl(...records: readonly unknown[]): string {
  return `${records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record))).join('\n')}\n`;
}

const filler = [{ text: 'Filler, so that one can be held out.' }, { text: 'Some other words of the same length.' }];

/** Sequences in their order in the files are not told apart by side. */
const both = (text: { train: readonly TrainingSequence[]; heldOut: readonly TrainingSequence[] }) => [...text.train, ...text.heldOut];

/** What is weighed, as text: tokens that weighed rows predict. */
function learned({ tokens, rowWeights }: TrainingSequence): string {
  return decode([...tokens].filter((_, index) => index > 0 && (rowWeights[index - 1] as number) > 0));
}

async function problemOf(path: string, more: Partial<ReadTrainingTextRequest> = {}): Promise<TrainingTextInvalidError> {
  const error = await read([path], more).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TrainingTextInvalidError);
  expect((error as TrainingTextInvalidError).message).toContain(JSON.stringify(path));
  expect((error as TrainingTextInvalidError).remedy).not.toBe('');
  return error as TrainingTextInvalidError;
}

describe('readTrainingText of text files', () => {
  it('cuts windows that together are the text, all rows but the last of each weighing 1', async () => {
    const words = Array.from({ length: 900 }, (_, index) => `word${index}${index % 11 === 0 ? '\n' : ' '}`).join('');
    const text = await read([written('a.txt', words)]);
    const sequences = both(text);
    expect(sequences.every(({ tokens }) => tokens.length <= 64)).toBe(true);
    for (const { tokens, rowWeights } of sequences) {
      expect(rowWeights[tokens.length - 1]).toBe(0);
      expect(rowWeights.subarray(0, -1).every((weight) => weight === 1)).toBe(true);
    }
    const whole = [...asciiTokenizer().encode(words)];
    expect(allTokens(sequences).length).toBe(whole.length - text.report.leftOutTokens);
    expect(text.report.leftOutTokens).toBe(whole.length % 64 < 16 ? whole.length % 64 : 0);
    // In the order of the file, both sides merged again.
    const pieces = new Set(sequences.map(({ tokens }) => decode(tokens)));
    for (let start = 0; start + 16 <= words.length; start += 64) expect(pieces).toContain(words.slice(start, start + 64));
    expect(text.report.files[0]).toMatchObject({ format: 'text', records: 1, tokens: allTokens(sequences).length });
    expect(text.description).toContain('a.txt');
    expect(text.license).toBe(license);
  });

  it('reads files larger than one part, characters of several bytes and a byte order mark', async () => {
    // The two-byte characters lie across every kind of boundary of 256 KiB.
    const line = 'Größere Wörter, weiße Flüsse und süße Äpfel.\n';
    const contents = line.repeat(14_000);
    const marked = written('large.txt', `\ufeff${contents}`);
    const text = await read([marked], { windowTokens: 128 });
    const size = contents.length;
    expect(text.report.tokens + text.report.leftOutTokens).toBe(size);
    const found = both(text).map(({ tokens }) => decode(tokens));
    const expected = contents.replace(/[^ -~\n]/g, '?');
    expect(found).toContain(expected.slice(0, 128));
    const seen = found.join('').length;
    expect(seen).toBe(text.report.tokens);
    expect(new Set(found.map((piece) => expected.includes(piece)))).toEqual(new Set([true]));
  });

  it('begins every window with the begin token where the model wants it', async () => {
    const path = written('b.txt', 'abcdefghij '.repeat(40));
    const text = await read([path], { model: asciiModel({ addBegin: true }) });
    for (const { tokens } of both(text)) {
      expect(tokens[0]).toBe(BEGIN);
      expect(tokens.length).toBeLessThanOrEqual(64);
      expect([...tokens].filter((token) => token === BEGIN)).toHaveLength(1);
    }
  });

  it('is the same text for the same seed, another split for another', async () => {
    const path = written('c.txt', 'Some words that differ: 0123456789. '.repeat(30) + Array.from({ length: 900 }, (_, i) => i).join(' '));
    const [one, again, other] = await Promise.all([read([path]), read([path]), read([path], { seed: 2 })]);
    expect(again).toEqual(one);
    expect(other.fingerprint).not.toBe(one.fingerprint);
    expect(both(other).length).toBe(both(one).length);
    const wider = await read([path], { windowTokens: 65 });
    expect(wider.fingerprint).not.toBe(one.fingerprint);
  });

  it('refuses what is no text, is missing, too long or too short', async () => {
    const latin = Buffer.concat([Buffer.from('first\nsecond\n'), Buffer.of(0x47, 0x72, 0xfc, 0x6e), Buffer.from('\nmore\n')]);
    expect((await problemOf(written('latin.txt', latin))).fields).toMatchObject({ line: 3 });
    expect((await problemOf(written('cut.txt', Buffer.from('weiß').subarray(0, 4)))).fields).toMatchObject({ line: 1 });
    await problemOf(join(testFolder(), 'missing.txt'));
    const folder = join(testFolder(), 'folder');
    mkdirSync(folder);
    await problemOf(folder);
    expect((await problemOf(written('long.txt', 'x'.repeat(3000)), { maxTokens: 1000 })).message).toContain('1000 tokens');
    await expect(read([written('short.txt', 'one window')])).rejects.toThrow(TrainingTextTooShortError);
    await expect(read([written('empty.txt', '')])).rejects.toThrow(TrainingTextTooShortError);
  });

  it('refuses wrong arguments and stops when told', async () => {
    const path = written('d.txt', 'words '.repeat(100));
    const wrong = [{ windowTokens: 1 }, { windowTokens: 129 }, { heldOutShare: 0 }, { seed: -1 }, { license: ' ' }, { paths: [] }];
    for (const one of wrong) await expect(read([path], one)).rejects.toThrow(InvalidArgumentError);
    await expect(read([path], { signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
    const steps: number[] = [];
    await read([path], { onProgress: ({ done, total }) => steps.push(done / total) });
    expect(steps.at(-1)).toBe(1);
    expect([...steps].sort((a, b) => a - b)).toEqual(steps);
  });
});

describe('readTrainingText of instruction sets', () => {
  const layouts: [string, unknown, string][] = [
    [
      'messages',
      {
        messages: [
          { role: 'user', content: 'Two?' },
          { role: 'assistant', content: 'Yes.' },
        ],
      },
      'Yes.<end>',
    ],
    ['response', { prompt: 'Two?', response: 'Yes.' }, 'Yes.<end>'],
    ['completion', { prompt: 'Two?', completion: 'Yes.', other: [1] }, 'Yes.<end>'],
    ['instruction', { instruction: 'Two?', input: '', output: 'Yes.' }, 'Yes.<end>'],
    ['instruction with input', { instruction: 'Add', input: '1 2', output: '3' }, '3<end>'],
    ['question', { question: 'Two?', answer: 'Yes.' }, 'Yes.<end>'],
  ];

  it.each(layouts)('learns the answers of %s', async (_name, record, answer) => {
    const text = await read([written('set.jsonl', jsonl(record, ...filler))]);
    const conversation = both(text).find(({ tokens }) => decode(tokens).startsWith('<turn>')) as TrainingSequence;
    expect(learned(conversation)).toBe(answer);
    expect(decode(conversation.tokens)).toMatch(/^<turn>user:[\s\S]+<end>\n<turn>assistant:[^<]+<end>$/);
    expect(text.report.files[0]).toMatchObject({ format: 'jsonl', records: 3, sequences: 3 });
  });

  it('learns every answer of a long conversation, and nothing of what others say', async () => {
    const messages = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'A?' },
      { role: 'assistant', content: 'B.' },
      { role: 'user', content: 'C?' },
      { role: 'assistant', content: 'D.' },
      { role: 'user', content: 'unanswered' },
    ];
    const text = await read([written('set.jsonl', jsonl({ messages }, ...filler))], { windowTokens: 128 });
    const conversation = both(text).find(({ tokens }) => decode(tokens).includes('system')) as TrainingSequence;
    expect(learned(conversation)).toBe('B.<end>D.<end>');
    expect(decode(conversation.tokens)).not.toContain('unanswered');
    expect(conversation.tokens.at(-1)).toBe(END);
  });

  it('does not let a record write special tokens', async () => {
    const text = await read([written('set.jsonl', jsonl({ prompt: 'x<end>y', response: 'a<turn>b' }, ...filler))]);
    const conversation = both(text).find(({ tokens }) => decode(tokens).startsWith('<turn>user')) as TrainingSequence;
    expect([...conversation.tokens].filter((token) => token === END)).toHaveLength(2);
    expect([...conversation.tokens].filter((token) => token === 2)).toHaveLength(2);
    expect(learned(conversation)).toBe('a<turn>b<end>');
  });

  it('counts what it cuts and leaves out', async () => {
    const long = { prompt: 'Go on', response: 'z'.repeat(200) };
    const hidden = { prompt: 'p'.repeat(300), response: 'never seen' };
    const text = await read([written('set.jsonl', jsonl(long, hidden, { text: '' }, '', ...filler))]);
    const cut = both(text).find(({ tokens }) => decode(tokens).includes('zzz')) as TrainingSequence;
    expect(cut.tokens.length).toBe(64);
    expect(cut.rowWeights[63]).toBe(0);
    const { cutRecords, cutTokens, leftOutRecords, leftOutTokens } = text.report;
    const head = '<turn>user:Go on<end>\n<turn>assistant:'.replaceAll('<turn>', '.').replaceAll('<end>', '.').length;
    expect({ cutRecords, cutTokens, leftOutRecords }).toEqual({ cutRecords: 1, cutTokens: head + 201 - 64, leftOutRecords: 2 });
    expect(leftOutTokens).toBeGreaterThan(300);
  });

  const hostile: [string, string | Uint8Array, RegExp, number][] = [
    ['no JSON', '{"text": "ok"}\n{"text": \n', /no JSON/, 2],
    ['a list', '[1,2]\n', /no JSON object/, 1],
    ['a document over several lines', '[\n  {"text": "x"}\n]\n', /no JSON/, 1],
    ['a number', '\n\n7\n', /no JSON object/, 3],
    ['unknown fields', '{"a": 1, "b": 2}\n', /"a", "b"/, 1],
    ['a field of the prototype', '{"__proto__": {"text": "x"}}\n', /no known layout/, 1],
    ['an answer that is no text', '{"question": "x", "answer": 7}\n', /"answer" is a number/, 1],
    ['an empty answer', '{"prompt": "x", "response": "  "}\n', /"response" is empty/, 1],
    ['messages that are none', '{"messages": "hello"}\n', /no list of messages/, 1],
    ['a message without role', '{"messages": [{"content": "x"}]}\n', /role of message 0 is missing/, 1],
    ['a message of parts', '{"messages": [{"role": "user", "content": []}]}\n', /content of message 0 is a list/, 1],
    ['no answer', '{"messages": [{"role": "user", "content": "x"}]}\n', /"assistant"/, 1],
    ['only an answer', '{"messages": [{"role": "assistant", "content": "x"}]}\n', /no message before it/, 1],
    ['too many messages', `{"messages": [${Array(300).fill('{"role":"user","content":"x"}').join(',')}]}\n`, /300 messages/, 1],
    ['not UTF-8', Buffer.concat([Buffer.from('{"text":"a"}\n{"text":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}\n')]), /UTF-8/, 2],
  ];

  it.each(hostile)('names file and line of %s', async (_name, contents, message, line) => {
    const error = await problemOf(written('hostile.jsonl', contents));
    expect(error.message).toMatch(message);
    expect(error.fields.line).toBe(line);
    expect(error.message.length).toBeLessThan(700);
  });

  it('refuses a line without end instead of reading it whole', async () => {
    expect((await problemOf(written('huge.jsonl', `{"text": "${'x'.repeat(9 * 1048576)}"}`))).message).toMatch(/8388608 characters/);
  });

  it('names the line where the template refuses a conversation', async () => {
    const refusing = asciiModel({
      chatTemplate: "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}x",
    });
    const path = written(
      'set.jsonl',
      jsonl(...filler, {
        messages: [
          { role: 'system', content: 's' },
          { role: 'assistant', content: 'a' },
        ],
      }),
    );
    expect((await problemOf(path, { model: refusing })).fields.line).toBe(3);
    const silent = asciiModel({ chatTemplate: 'always the same' });
    expect((await problemOf(path, { model: silent })).message).toMatch(/shows nothing of message 1/);
    const plain = Object.assign(Object.create(asciiModel()) as typeof model, { chatTemplate: undefined });
    await expect(read([path], { model: plain })).rejects.toThrow(TemplateError);
  });
});
