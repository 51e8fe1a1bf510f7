import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import type { EvaluationResults } from '@gateskip/evaluate';
import { loadModel, writeAdapter } from '@gateskip/model';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const data = join(folder, 'data');
const schema = JSON.parse(readFileSync(new URL('../../../benchmarks/eval.schema.json', import.meta.url), 'utf8')) as object;
const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);
const colours = ['red', 'green', 'blue', 'white', 'black', 'brown'];
const records = colours.map((colour, index) =>
  JSON.stringify({ prompt: `The ${colour} box`, choices: ['is hello.', 'was lost.'], answer: index % 2 }),
);
const common = ['eval', model, '--backend', 'reference', '--speed-rounds', '0'];
const budget = ['--budget', 'skip=40%', '--policy', 'random'];

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

beforeAll(() => {
  writeTinyModel(model);
  write('data/hellaswag/validation.jsonl', records.join('\n'));
  write('data/lambada/test.jsonl', colours.map((colour) => JSON.stringify({ text: `say hello ${colour}` })).join('\n'));
});

describe('eval', () => {
  it('compares an adapter that changes the model with the model without it', async () => {
    const adapter = join(folder, 'lora.safetensors');
    const opened = await loadModel(model);
    await writeAdapter(adapter, createRandomAdapter(opened, { seed: 2, lora: { rank: 2 } }));
    await opened.close();
    const text = write('dense.txt', 'hello world, hello hell. '.repeat(10));
    const words = [
      ...common,
      '--perplexity',
      text,
      '--agreement',
      text,
      '--window',
      '32',
      '--text-tokens',
      '64',
      '--budget',
      'skip=0',
      '--json',
    ];
    const plain = documentOf<EvaluationResults>(await commandLine(words));
    const ran = await commandLine([...words, '--adapter', adapter]);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const changed = documentOf<EvaluationResults>(ran);
    expect(validate(changed), JSON.stringify(validate.errors)).toBe(true);
    expect(changed.denseAdapter).toBeNull();
    expect(changed.runs[0]!.perplexity).toEqual(plain.runs[0]!.perplexity);
    // Nothing is skipped, and yet it is another model.
    expect(changed.runs[1]!.agreement!.kl).toBeGreaterThan(1e-6);
    expect(changed.runs[1]!.perplexity!.perToken).not.toBe(plain.runs[0]!.perplexity!.perToken);
  });

  it('scores, pairs with dense, and writes results, chart, page and tables', async () => {
    const [out, svg, html, markdown] = ['results.json', 'chart.svg', 'page.html', 'tables.md'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
      string,
    ];
    const text = write('text.txt', 'hello world, hello hell. '.repeat(20));
    const texts = ['--perplexity', text, '--agreement', text, '--window', '64', '--text-tokens', '150'];
    const files = ['--out', out, '--svg', svg, '--html', html, '--markdown', markdown];
    const words = ['eval', model, '--backend', 'reference', '--speed-rounds', '1', '--tasks', 'hellaswag,lambada', '--data', data];
    const ran = await commandLine([...words, ...budget, ...texts, ...files, '--json']);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const results = documentOf<EvaluationResults>(ran);
    expect(validate(results), JSON.stringify(validate.errors)).toBe(true);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(results);
    expect(results.runs.map(({ label }) => label)).toEqual(['dense', 'random skip=40%']);
    expect(results.runs[1]!.held.skip).toBeGreaterThan(0.1);
    expect(results.runs[1]!.speed!.decode.median).toBeGreaterThan(0);
    expect(results.texts.perplexity).toMatchObject({ tokens: 150, window: 64, stride: 32 });
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg /);
    expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>/);
    expect(readFileSync(markdown, 'utf8')).toContain('| dense |');
    expect(existsSync(`${out}.journal.jsonl`)).toBe(false);
    const again = await commandLine([...words, ...files, '--json']);
    expect(documentOf<ErrorDocument>(again).error).toMatchObject({ code: 'GS_FILE_EXISTS' });
  });

  it('goes on after an abort with what was finished, and gives the same', async () => {
    const out = join(folder, 'resumed.json');
    const words = [...common, '--tasks', 'hellaswag,lambada', '--data', data, ...budget, '--max-rows', '16', '--json'];
    const whole = documentOf<EvaluationResults>(await commandLine(words));
    const journal = `${out}.journal.jsonl`;
    const controller = new AbortController();
    const watch = setInterval(() => {
      if (existsSync(journal) && readFileSync(journal, 'utf8').split('\n').length > 5) controller.abort();
    }, 2);
    const aborted = await commandLine([...words, '--out', out], { signal: controller.signal });
    clearInterval(watch);
    expect(aborted.code).toBe(130);
    expect(existsSync(out)).toBe(false);
    expect(readFileSync(journal, 'utf8').split('\n').length).toBeGreaterThan(5);
    const other = await commandLine([...words, '--out', out, '--seed', '9']);
    expect(documentOf<ErrorDocument>(other).error.code).toBe('GS_EVAL_JOURNAL');
    const resumed = documentOf<EvaluationResults>(await commandLine([...words, '--out', out]));
    expect(resumed.runs).toEqual(whole.runs);
    expect(existsSync(journal)).toBe(false);
  });

  it('compares two files item by item', async () => {
    const [a, b] = [join(folder, 'a.json'), join(folder, 'b.json')];
    const words = [...common, '--tasks', 'hellaswag', '--data', data];
    expect((await commandLine([...words, ...budget, '--out', a])).code).toBe(0);
    expect((await commandLine([...words, '--limit', '4', '--out', b])).code).toBe(0);
    const same = await commandLine(['eval', 'compare', a, a, '--run-a', 'random skip=40%', '--run-b', 'dense', '--json']);
    expect(same.code, same.stdout + same.stderr).toBe(0);
    expect(documentOf<{ compared: { a: string; metrics: { task: string }[] }[] }>(same).compared).toMatchObject([
      { a: 'random skip=40%', b: 'dense', metrics: [{ task: 'hellaswag', metric: 'acc_norm' }, { metric: 'acc' }] },
    ]);
    expect((await commandLine(['eval', 'compare', a, a])).stdout).toContain('dense minus dense');
    const other = await commandLine(['eval', 'compare', a, b, '--json']);
    expect(other.code).toBe(2);
    expect(documentOf<ErrorDocument>(other).error).toMatchObject({
      code: 'GS_EVAL_MISMATCH',
      message: expect.stringContaining('6 and 4 items'),
    });
  });

  it('takes a task of one own, and lists those that come along', async () => {
    const listed = documentOf<{ tasks: { name: string }[] }>(await commandLine(['eval', 'tasks', '--json']));
    const hellaswag = listed.tasks.find(({ name }) => name === 'hellaswag');
    const own = write('own.json', JSON.stringify({ ...hellaswag, name: 'boxes', prompt: 'Look: {{prompt}}' }));
    const place = `boxes=${join(data, 'hellaswag', 'validation.jsonl')}`;
    const ran = await commandLine([...common, '--tasks', own, '--data', place, '--limit', '3', '--first', '--few-shot', '1', '--json']);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const results = documentOf<EvaluationResults>(ran);
    expect(results.data.boxes).toMatchObject({ items: 3, records: 6, fewShot: 1, chat: false });
    expect(results.runs[0]!.tasks.boxes!.perItem.map(({ id }) => id)).toEqual(['1', '2', '3']);
    expect((await commandLine(['eval', 'tasks'])).stdout).toContain('winogrande');
  });

  it('wraps prompts in the chat template', async () => {
    const words = [...common, '--tasks', 'hellaswag', '--data', data, '--json'];
    const [plain, chat] = [
      documentOf<EvaluationResults>(await commandLine(words)),
      documentOf<EvaluationResults>(await commandLine([...words, '--chat'])),
    ];
    expect(chat.data.hellaswag).toMatchObject({ chat: true });
    const rows = (results: EvaluationResults): number => results.runs[0]!.tasks.hellaswag!.perItem[0]!.usage.rows;
    expect(rows(chat)).toBeGreaterThan(rows(plain) + '<|turn|>user assistant'.length - 8);
    const refused = await commandLine([...common, '--tasks', 'lambada', '--data', data, '--chat', '--json']);
    expect(documentOf<ErrorDocument>(refused).error.code).toBe('GS_UNSUPPORTED');
  });

  it.each<[string, readonly string[], string]>([
    ['nothing to do', [], 'GS_USAGE'],
    ['no data', ['--tasks', 'piqa'], 'GS_USAGE'],
    ['an unknown task', ['--tasks', 'pica', '--data', data], 'GS_EVAL_UNKNOWN_TASK'],
    ['a task twice', ['--tasks', 'piqa,piqa', '--data', data], 'GS_USAGE'],
    ['data of another task', ['--tasks', 'hellaswag', '--data', 'piqa=x'], 'GS_USAGE'],
    ['data that are not there', ['--tasks', 'piqa', '--data', data], 'GS_EVAL_DATA'],
    ['a policy without a budget', ['--tasks', 'hellaswag', '--data', data, '--policy', 'random'], 'GS_USAGE'],
    ['an unknown policy', ['--tasks', 'hellaswag', '--data', data, '--budget', '10%', '--policy', 'luck'], 'GS_UNKNOWN_POLICY'],
    ['an unknown budget', ['--tasks', 'hellaswag', '--data', data, '--budget', 'lots'], 'GS_INVALID_BUDGET'],
    ['agreement with nothing', ['--agreement', join(data, 'hellaswag', 'validation.jsonl')], 'GS_USAGE'],
    ['stand-ins without a budget', ['--tasks', 'hellaswag', '--data', data, '--stand-ins', 'none'], 'GS_USAGE'],
    ['stand-ins of no profile', ['--tasks', 'hellaswag', '--data', data, ...budget, '--stand-ins', 'profile'], 'GS_USAGE'],
    ['stand-ins of no gates', ['--tasks', 'hellaswag', '--data', data, ...budget, '--stand-ins', 'gates'], 'GS_USAGE'],
    ['running programs where there are none', ['--tasks', 'hellaswag', '--data', data, '--execute-generated-code'], 'GS_USAGE'],
    ['no run at all', ['--tasks', 'hellaswag', '--data', data, '--no-dense'], 'GS_USAGE'],
    ['a window too long', ['--perplexity', join(data, 'hellaswag', 'validation.jsonl'), '--window', '9999'], 'GS_INVALID_ARGUMENT'],
  ])('refuses %s', async (_, words, code) => {
    const ran = await commandLine([...common, ...words, '--json']);
    expect(ran.code).toBe(2);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe(code);
  });
});

describe('stand-ins', () => {
  const profile = join(folder, 'profile.json');
  const words = [...common, '--tasks', 'hellaswag', '--data', data, '--budget', 'skip=40%', '--policy', 'static-kl', '--profile', profile];
  const run = async (...more: string[]) => {
    const ran = await commandLine([...words, '--json', '--policy-option', 'pinnedTokens=0', ...more]);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    return documentOf<EvaluationResults>(ran);
  };
  const logprobs = ({ runs }: EvaluationResults, at: number) => runs[at]!.tasks.hellaswag!.perItem.map((item) => item.logprobs);

  beforeAll(async () => {
    const text = write('stand-ins.txt', 'the cat sat on the mat and sang well, the bell rings. '.repeat(20));
    const small = ['--tokens', '200', '--window', '64', '--removal-tokens', '64', '--removal-rows', '16'];
    const ran = await commandLine(['profile', model, '--backend', 'reference', '--out', profile, '--text', text, ...small]);
    expect(ran.code, ran.stderr).toBe(0);
  });

  it('of a profile are given to all runs and named in the results; none leaves them out', async () => {
    const [own, without] = [await run('--stand-ins', 'profile'), await run('--stand-ins', 'profile', '--policy-option', 'standIns=false')];
    expect(own.adapter).toEqual({ name: 'stand-ins of the profile' });
    expect(own.runs[1]!.held).toEqual(without.runs[1]!.held);
    expect(own.runs[1]!.held.skip).toBeGreaterThan(0.2);
    expect(logprobs(own, 0)).toEqual(logprobs(without, 0));
    expect(logprobs(own, 1)).not.toEqual(logprobs(without, 1));
    const [plain, none] = [await run(), await run('--stand-ins', 'none')];
    expect([plain.adapter, none.adapter]).toEqual([null, null]);
    expect(none.runs[1]!.policyOptions).toMatchObject({ standIns: false });
    expect(logprobs(none, 1)).toEqual(logprobs(plain, 1));
  });
});

describe('programs', () => {
  const words = [...common, '--tasks', 'humaneval', '--data'];
  const problem = { task_id: 'own/0', prompt: 'def f():\n', entry_point: 'f', test: 'def check(c):\n  assert c() == 1' };

  it('are kept and not run unless that is asked for, by a name that says what it does', async () => {
    const place = write('problems.jsonl', JSON.stringify(problem));
    const short = JSON.parse((await commandLine(['eval', 'tasks', '--json'])).stdout) as { tasks: { name: string; generation?: object }[] };
    const humaneval = short.tasks.find(({ name }) => name === 'humaneval')!;
    const own = write('short.json', JSON.stringify({ ...humaneval, generation: { ...humaneval.generation, maxTokens: 4 } }));
    words[words.indexOf('humaneval')] = own;
    const kept = await commandLine([...words, place, '--json']);
    expect(kept.code, kept.stderr).toBe(0);
    expect(kept.stderr).toContain('kept and not scored');
    expect(documentOf<EvaluationResults>(kept).data.humaneval).toMatchObject({ metrics: [], unscored: { metrics: ['pass@1'] } });
    const ran = await commandLine([...words, place, '--json', '--execute-generated-code']);
    if (ran.code !== 0) {
      expect(ran.code).toBe(3);
      // Without a Python that can be limited, that is said; nothing else is accepted.
      expect(documentOf<ErrorDocument>(ran).error.code).toBe('GS_EVAL_EXECUTE');
      return;
    }
    expect(ran.stderr).toMatch(/run on this machine: on Python 3/);
    const results = documentOf<EvaluationResults>(ran);
    expect(validate(results), JSON.stringify(validate.errors)).toBe(true);
    expect(results.data.humaneval!.execution).toBeDefined();
    // Four tokens of a random model are no function.
    expect(results.runs[0]!.tasks.humaneval!.metrics).toEqual({ 'pass@1': 0 });
    expect(results.runs[0]!.tasks.humaneval!.perItem[0]!.outcome).toMatch(/Error/);
  });
});

describe('data sets of a hub', () => {
  const bytes = Buffer.from(records.join('\n'));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const asked: string[] = [];
  let sent = bytes;
  // The same, as the hub's own fields in pages of its datasets server.
  const rows = colours.map((colour, index) => ({
    row_idx: index,
    row: { goal: `Find the ${colour} box`, sol1: 'say hello.', sol2: 'go well.', label: index % 2 },
    truncated_cells: [],
  }));
  const pages = [rows.slice(0, 4), rows.slice(4)].map((part) => JSON.stringify({ features: [], rows: part })).join('\n');
  let server: Server;

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url === '/datasets/o/r/resolve/v1/sub/set.jsonl')
        return void response.writeHead(302, { location: '/cdn/set', 'x-linked-etag': `"${sha256}"`, 'x-linked-size': bytes.length }).end();
      if (request.url === '/datasets/o/r/resolve/v1/rows.json')
        return void response.writeHead(200, { etag: '"rows-1"', 'content-length': Buffer.byteLength(pages) }).end(pages);
      if (request.url !== '/cdn/set') return void response.writeHead(404).end();
      response.writeHead(200, { 'content-length': sent.length }).end(sent);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const words = [...common, '--tasks', 'hellaswag', '--data', 'hellaswag=hf:o/r@v1/sub/set.jsonl', '--json'];
  const env = (): Record<string, string> => ({
    HF_HUB_OFFLINE: '0',
    HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    GATESKIP_CACHE_DIR: join(folder, 'cache'),
  });

  it('are checked, fetched once, and named in the results', async () => {
    sent = Buffer.from(bytes).fill(0x20, 3, 9);
    const damaged = await commandLine(words, { env: env() });
    expect(damaged.code).toBe(3);
    expect(documentOf<ErrorDocument>(damaged).error.code).toBe('GS_DOWNLOAD_MISMATCH');
    sent = bytes;
    const ran = await commandLine(words, { env: env() });
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    expect(documentOf<EvaluationResults>(ran).data.hellaswag).toMatchObject({ source: 'hf:o/r@v1/sub/set.jsonl', sha256, items: 6 });
    const before = asked.length;
    expect((await commandLine([...words, '--offline'], { env: env() })).code).toBe(0);
    expect(asked.length).toBe(before);
  });

  it('are taken in the layout of the hub, under the same name', async () => {
    const official = [...common, '--tasks', 'piqa', '--data', 'piqa=hf:o/r@v1/rows.json', '--json'];
    const ran = await commandLine(official, { env: env() });
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const found = documentOf<EvaluationResults>(ran);
    expect(found.data.piqa).toMatchObject({ source: 'hf:o/r@v1/rows.json', records: 6, items: 6 });
    const prepared = rows.map(({ row: { goal, sol1, sol2, label } }) =>
      JSON.stringify({ prompt: `Question: ${goal}\nAnswer:`, choices: [sol1, sol2], answer: label }),
    );
    const place = write('prepared.jsonl', prepared.join('\n'));
    const other = documentOf<EvaluationResults>(await commandLine([...common, '--tasks', 'piqa', '--data', place, '--json']));
    expect(found.data.piqa!.itemsSha256).toBe(other.data.piqa!.itemsSha256);
    expect(found.runs).toEqual(other.runs);
    const wrong = await commandLine([...common, '--tasks', 'winogrande', '--data', 'winogrande=hf:o/r@v1/rows.json', '--json'], {
      env: env(),
    });
    expect(documentOf<ErrorDocument>(wrong).error).toMatchObject({ code: 'GS_EVAL_LAYOUT', message: expect.stringContaining('"option1"') });
  });

  it('must be JSON Lines or JSON', async () => {
    const ran = await commandLine([...common, '--tasks', 'hellaswag', '--data', 'hf:o/r/set.parquet', '--json'], { env: env() });
    expect(documentOf<ErrorDocument>(ran).error).toMatchObject({
      code: 'GS_USAGE',
      message: expect.stringContaining('no JSON Lines or JSON file'),
    });
  });
});
