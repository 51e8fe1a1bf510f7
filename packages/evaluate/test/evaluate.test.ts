import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner } from '@gateskip/backend';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import { referenceBackend } from '@gateskip/backend-reference';
import { createRandomModel } from '@gateskip/model';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  compareResults,
  type EvaluateOptions,
  type EvaluationResults,
  evaluate,
  JournalMismatchError,
  type PreparedTask,
  prepareTask,
  prepareText,
  ResultsMismatchError,
  readResults,
  renderComparison,
  renderHtml,
  renderMarkdown,
  renderParetoSvg,
  taskNamed,
  validateTask,
} from '../src/index.js';
import { characterModel, loadedRunner } from './support/character-model.js';

const folder = mkdtempSync(join(tmpdir(), 'gateskip-evaluate-'));
const schema = JSON.parse(readFileSync(new URL('../../../benchmarks/eval.schema.json', import.meta.url), 'utf8')) as object;
const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);
const model = characterModel();
const words = ['red', 'green', 'blue', 'white', 'black', 'brown', 'grey'];
const story = 'The morning was grey and the sea was calm. A boat went out, and nobody saw it come back. '.repeat(4);
const text = prepareText(story, 'story', model);

let runner: Runner;
let choice: PreparedTask;
let written: PreparedTask;
let lastWord: PreparedTask;

function write(name: string, records: readonly unknown[]): string {
  const path = join(folder, name);
  writeFileSync(path, records.map((record) => JSON.stringify(record)).join('\n'));
  return path;
}

beforeAll(async () => {
  runner = await loadedRunner(model);
  const colours = words.map((word, index) => ({ prompt: `The ${word} box is`, choices: words.slice(0, 3), answer: index % 3 }));
  const sums = words.map((word, index) => ({ question: `How many ${word} ones?`, answer: `#### ${index}` }));
  choice = await prepareTask(taskNamed('hellaswag'), { model, data: write('choice.jsonl', colours) });
  const short = { ...taskNamed('gsm8k'), generation: { maxTokens: 9, stop: ['xyz'], score: 'gsm8k' } };
  written = await prepareTask(validateTask(short), { model, data: write('sums.jsonl', sums), fewShot: 0 });
  lastWord = await prepareTask(taskNamed('lambada'), {
    model,
    data: write(
      'words.jsonl',
      words.map((word) => ({ text: `A box of ${word}` })),
    ),
  });
});

afterAll(async () => {
  await runner.close();
  rmSync(folder, { recursive: true, force: true });
});

const budget = { budget: { skip: 0.3 } };
const run = (more: Partial<EvaluateOptions> = {}): Promise<EvaluationResults> =>
  evaluate({ model, runner, runs: [{}, budget], tasks: [choice, lastWord, written], speed: { rounds: 0 }, ...more });

const withoutTime = ({ created, ...rest }: EvaluationResults): unknown => ({ ...rest, isDated: !Number.isNaN(Date.parse(created)) });

describe('results', () => {
  let results: EvaluationResults;

  beforeAll(async () => {
    const texts = { perplexity: { text, window: 64, stride: 32 }, agreement: { text, window: 100 } };
    const runs = [{}, budget, { ...budget, policy: 'random' }, { budget: { net: 0.01 } }];
    results = await run({ ...texts, runs, speed: { rounds: 1, promptTokens: 24, decodeTokens: 4 }, versions: { gateskip: '0' } });
  });

  it('are of their schema', () => {
    expect(validate(JSON.parse(JSON.stringify(results))), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...results, schema: 'gateskip.eval/2' })).toBe(false);
  });

  it('have what every item gave, and its means', () => {
    const [dense, gated] = results.runs;
    expect(results.runs.map(({ label }) => label)).toEqual(['dense', 'global-threshold skip=30%', 'random skip=30%']);
    const task = dense!.tasks.hellaswag!;
    expect(task.items).toBe(words.length);
    for (const { logprobs, choice: chosen, answer, scores } of task.perItem) {
      expect(logprobs!.indexOf(Math.max(...logprobs!))).toBe(chosen);
      expect(scores.acc).toBe(chosen === answer ? 1 : 0);
    }
    expect(task.metrics.acc).toBe(task.perItem.filter(({ scores }) => scores.acc === 1).length / words.length);
    const nll = dense!.tasks.lambada!.perItem.reduce((sum, { logprobs }) => sum - logprobs![0]!, 0) / words.length;
    expect(Math.abs(dense!.tasks.lambada!.metrics.perplexity! / Math.exp(nll) - 1)).toBeLessThan(1e-14);
    expect(dense!.held).toEqual({ skip: 0, net: 1 });
    expect(dense!.tasks.hellaswag!.pairedAgainstDense).toBeUndefined();
    expect(gated!.tasks.hellaswag!.pairedAgainstDense!.acc!.items).toBe(words.length);
    expect(gated!.held.skip).toBeGreaterThan(0.05);
    expect(gated!.held.net).toBeLessThan(1);
    expect(dense!.tasks.gsm8k!.perItem.every(({ text: own }) => own!.length <= 9)).toBe(true);
  });

  it('have the perplexity of the windows, per token, word and byte', () => {
    const { perplexity } = results.runs[0]!;
    const nll = perplexity!.windows.reduce((sum, { sums }) => sum + sums.nll!, 0);
    expect(perplexity!.tokens).toBe(text.tokens.length - 1);
    expect(perplexity!.perToken).toBeCloseTo(Math.exp(nll / perplexity!.tokens), 10);
    expect(perplexity!.perByte).toBeCloseTo(Math.exp(nll / story.length), 10);
    expect(Math.log(perplexity!.perWord)).toBeCloseTo(nll / story.trim().split(/\s+/).length, 10);
    // Random weights know nothing of text: worse than a guess of 128 is their own doing, much better is an error.
    expect(perplexity!.perToken).toBeGreaterThan(40);
  });

  it('have the agreement of budgets with the dense model', () => {
    expect(results.runs[0]!.agreement).toBeNull();
    for (const { agreement } of results.runs.slice(1)) {
      expect(agreement!.tokens).toBe(text.tokens.length);
      expect(agreement!.kl).toBeGreaterThan(0);
      expect(agreement!.top5).toBeGreaterThanOrEqual(agreement!.top1);
    }
  });

  it('name the budgets that are out of reach', () => {
    expect(results.unreached).toEqual([{ label: 'global-threshold net=1%', reason: expect.stringContaining('cannot reach net=1%') }]);
  });

  it('are printed, drawn and made a page', () => {
    const markdown = renderMarkdown(results);
    expect(markdown).toContain(
      '| run | skipped | net MACs | hellaswag acc_norm | lambada acc | gsm8k exact_strict | perplexity | KL | top-1 | top-5 |',
    );
    expect(markdown).toContain('global-threshold net=1% is out of reach');
    const svg = renderParetoSvg(results);
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    // Three runs in two panels, and one mark each in the legend.
    expect(svg.match(/<g>/g)).toHaveLength(6);
    const page = renderHtml({ ...results, model: { ...results.model, name: '<b>&"' } });
    expect(page).toContain('&lt;b&gt;&amp;&quot;: quality against compute');
    expect(page).not.toContain('<b>');
    expect(page).not.toMatch(/(src|href)=/);
  });
});

it('skip nothing = dense, bit for bit, in everything', async () => {
  const texts = { perplexity: { text, window: 64, stride: 32 }, agreement: { text, window: 100 } };
  const { runs } = await run({ runs: [{}, { budget: { skip: 0 }, label: 'nothing' }], ...texts });
  const [dense, nothing] = runs;
  for (const name of ['hellaswag', 'lambada', 'gsm8k']) expect(nothing!.tasks[name]!.perItem).toEqual(dense!.tasks[name]!.perItem);
  expect(nothing!.perplexity!.windows).toEqual(dense!.perplexity!.windows);
  expect(nothing!.agreement).toMatchObject({ kl: 0, top1: 1, top5: 1, standardErrors: { kl: 0 } });
  expect(nothing!.tasks.hellaswag!.pairedAgainstDense!.acc).toMatchObject({ difference: 0, low: 0, high: 0 });
});

describe('agreement from a row on', () => {
  const starts = Array.from({ length: Math.ceil(text.tokens.length / 100) }, (_, window) => 100 * window);
  const lengths = starts.map((start) => Math.min(100, text.tokens.length - start));
  const windowsOf = async (scoredFrom?: number[]) => {
    const { runs, ...results } = await run({ tasks: [], agreement: { text, window: 100, ...(scoredFrom && { scoredFrom }) } });
    expect(validate(JSON.parse(JSON.stringify({ ...results, runs }))), JSON.stringify(validate.errors)).toBe(true);
    return runs[1]!.agreement!;
  };

  it('counts those rows, and in what was saved all of them', async () => {
    const [all, later, last] = [
      await windowsOf(),
      await windowsOf(lengths.map((_, window) => 3 + window)),
      await windowsOf(lengths.map((length) => length - 1)),
    ];
    expect(later.held).toEqual(all.held);
    expect(all.heldCompared).toBeUndefined();
    const usages = lengths.map((length, window) => {
      const { usage, comparedUsage } = later.windows[window]!;
      expect(comparedUsage!.rows).toBe(length - 3 - window);
      expect(comparedUsage!.kept).toBeLessThan(usage.kept);
      return comparedUsage!;
    });
    const sumOf = (what: 'macs' | 'denseMacs') => usages.reduce((sum, usage) => sum + usage[what], 0);
    expect(later.heldCompared!.net).toBeCloseTo(sumOf('macs') / sumOf('denseMacs'), 12);
    // With none left out there is nothing to tell apart.
    expect((await windowsOf(lengths.map(() => 0))).heldCompared).toBeUndefined();
    expect(last.tokens).toBe(lengths.length);
    for (const [window, { tokens, sums }] of later.windows.entries()) {
      expect(tokens).toBe(lengths[window]! - 3 - window);
      expect(sums.kl!).toBeLessThan(all.windows[window]!.sums.kl!);
      expect(sums.kl!).toBeGreaterThan(last.windows[window]!.sums.kl!);
    }
    // Each start leaves out the row before it, which differs from the dense model's.
    const sums: number[] = [];
    for (const from of [0, 20, 21, 22]) sums.push((await windowsOf(lengths.map(() => from))).windows[0]!.sums.kl!);
    expect(sums[0]).toBe(all.windows[0]!.sums.kl);
    expect(sums).toEqual(sums.toSorted((a, b) => b - a));
    expect(new Set(sums).size).toBe(sums.length);
  });

  it('says what it was, and refuses rows that no window has', async () => {
    const scoredFrom = lengths.map(() => 2);
    const { texts } = await run({ tasks: [], agreement: { text, window: 100, scoredFrom } });
    expect(texts.agreement?.scoredFrom).toEqual(scoredFrom);
    await expect(windowsOf([0])).rejects.toMatchObject({ code: 'GS_SHAPE_MISMATCH' });
    for (const bad of [-1, 0.5, 100])
      await expect(windowsOf(lengths.map(() => bad))).rejects.toMatchObject({ code: 'GS_INVALID_ARGUMENT' });
  });
});

describe('an adapter that changes the model itself', () => {
  const texts = { perplexity: { text, window: 64, stride: 32 }, agreement: { text, window: 100 } };
  const runs = [{}, { budget: { skip: 0 }, label: 'nothing' }, budget];
  let changed: Runner;
  let dense: Runner;
  let results: EvaluationResults;

  beforeAll(async () => {
    changed = await referenceBackend.load(model, { adapter: createRandomAdapter(model, { seed: 5, standIns: true, lora: { rank: 2 } }) });
    dense = await referenceBackend.load(model);
    const more = { runs, tasks: [choice], speed: { rounds: 1, promptTokens: 24, decodeTokens: 4 } };
    results = await run({ runner: changed, denseRunner: dense, ...texts, ...more });
  });
  afterAll(async () => {
    await changed.close();
    await dense.close();
  });

  it('is compared with the model without it', async () => {
    const plain = await run({ runner: dense, runs: [{}], tasks: [choice], ...texts });
    const [own, nothing] = results.runs;
    expect(own!.tasks).toEqual(plain.runs[0]!.tasks);
    expect(own!.perplexity).toEqual(plain.runs[0]!.perplexity);
    // Nothing skipped is another model here, and dearer than the dense one.
    expect(nothing!.agreement!.kl).toBeGreaterThan(1e-4);
    expect(nothing!.held).toMatchObject({ skip: 0 });
    expect(nothing!.held.net).toBeGreaterThan(1);
    expect(nothing!.perplexity!.pairedAgainstDense!.difference).toBeCloseTo(
      Math.log(nothing!.perplexity!.perToken / plain.runs[0]!.perplexity!.perToken),
      12,
    );
    expect(results.runs.map(({ speed }) => speed!.decodeOverDense !== undefined)).toEqual([true, true, true]);
    expect(results.denseAdapter).toBeNull();
    expect(validate(JSON.parse(JSON.stringify(results))), JSON.stringify(validate.errors)).toBe(true);
    expect([changed, dense].map((each) => each.kvUsage().used)).toEqual([0, 0]);
  });

  it('gives what one runner gives where both are alike', async () => {
    const twin = await loadedRunner(model);
    const [apart, together] = [await run({ denseRunner: twin, tasks: [choice], ...texts }), await run({ tasks: [choice], ...texts })];
    expect(apart.runs).toEqual(together.runs);
    expect(together.denseAdapter).toBeUndefined();
    await twin.close();
  });

  it('is refused beside another model', async () => {
    const other = await referenceBackend.load(createRandomModel({ seed: 1, config: { layers: 2, contextLength: 512 } }));
    await expect(run({ denseRunner: other })).rejects.toThrow(/denseRunner/);
    await other.close();
  });

  it('has a journal of its own for every change', async () => {
    const journalPath = join(folder, 'changed.journal.jsonl');
    await run({ runner: changed, denseRunner: dense, tasks: [lastWord], journalPath });
    await expect(run({ runner: changed, tasks: [lastWord], journalPath })).rejects.toThrow(JournalMismatchError);
    const { backbone, ...rest } = changed.adapter!;
    const { lora } = backbone!;
    const doubled = { ...rest, backbone: { lora: { ...lora!, alpha: 2 * lora!.alpha } } };
    const runner = await referenceBackend.load(model, { adapter: doubled });
    await expect(run({ runner, denseRunner: dense, tasks: [lastWord], journalPath })).rejects.toThrow(JournalMismatchError);
    await runner.close();
  });
});

it('gives the same whatever else is in a step', async () => {
  const [whole, small] = [await run(), await run({ maxRows: 16 })];
  expect(small.runs.map(({ tasks }) => tasks)).toEqual(whole.runs.map(({ tasks }) => tasks));
});

describe('a journal', () => {
  it('lets an interrupted evaluation go on to the same results', async () => {
    const whole = await run({ perplexity: { text, window: 64, stride: 32 } });
    const journalPath = join(folder, 'resume.journal.jsonl');
    let interruptions = 0;
    let results: EvaluationResults | undefined;
    let before = 0;
    while (results === undefined) {
      const controller = new AbortController();
      // The first report of a part says what the journal held, every other that an item was finished now.
      const parts = new Set<string>();
      let fresh = 0;
      const onProgress = ({ run: label, part }: { run: string; part: string }): void => {
        if (parts.has(label + part) && ++fresh === 6) controller.abort();
        parts.add(label + part);
      };
      try {
        results = await run({
          perplexity: { text, window: 64, stride: 32 },
          journalPath,
          maxRows: 48,
          onProgress,
          signal: controller.signal,
        });
      } catch (error) {
        expect(error).toMatchObject({ code: 'GS_ABORTED' });
        interruptions++;
        const journal = readFileSync(journalPath, 'utf8');
        expect(journal.length).toBeGreaterThan(before);
        before = journal.length;
        // As if killed within a line.
        writeFileSync(journalPath, journal.slice(0, -7));
      }
    }
    expect(interruptions).toBeGreaterThan(3);
    const { runs, ...rest } = withoutTime(results) as EvaluationResults;
    const { runs: expected, ...restExpected } = withoutTime(whole) as EvaluationResults;
    expect(runs).toEqual(expected);
    expect(rest).toEqual(restExpected);
    expect(runner.kvUsage().used).toBe(0);
  });

  it('is not taken for another evaluation', async () => {
    const journalPath = join(folder, 'other.journal.jsonl');
    await run({ tasks: [lastWord], journalPath });
    expect(existsSync(journalPath)).toBe(true);
    await expect(run({ tasks: [lastWord], journalPath, seed: 2 })).rejects.toThrow(JournalMismatchError);
    await expect(run({ tasks: [choice], journalPath })).rejects.toThrow(/other data or other options/);
    writeFileSync(journalPath, 'something else\n');
    await expect(run({ tasks: [lastWord], journalPath })).rejects.toThrow(/no journal/);
    writeFileSync(journalPath, `${readFileSync(journalPath, 'utf8')}`.slice(0, 5));
    await expect(run({ tasks: [lastWord], journalPath })).rejects.toThrow(JournalMismatchError);
  });
});

describe('comparing', () => {
  it('pairs runs by label, or the ones named', async () => {
    const a = await run();
    const [dense, gated] = compareResults(a, a);
    expect([dense!.a, gated!.a]).toEqual(['dense', 'global-threshold skip=30%']);
    expect(gated!.metrics.every(({ paired, sameChoice = 1 }) => paired.difference === 0 && sameChoice === 1)).toBe(true);
    const [crossed] = compareResults(a, a, { runA: 'global-threshold skip=30%', runB: 'dense' });
    const acc = crossed!.metrics.find(({ task, metric }) => task === 'hellaswag' && metric === 'acc')!;
    expect(acc.paired).toEqual(a.runs[1]!.tasks.hellaswag!.pairedAgainstDense!.acc);
    expect(renderComparison([crossed!])).toContain('global-threshold skip=30% minus dense');
    expect(() => compareResults(a, a, { runA: 'none' })).toThrow(/there is no run "none"/);
  });

  it('refuses other items and foreign files', async () => {
    const a = await run({ tasks: [choice] });
    const fewer = await run({ tasks: [{ ...choice, items: choice.items.slice(1) }] });
    expect(() => compareResults(a, fewer)).toThrow(ResultsMismatchError);
    expect(() => compareResults(a, fewer)).toThrow(/has 7 and 6 items, of which 6 are the same/);
    expect(() => compareResults(a, { ...a, data: {} })).toThrow(/no task and no text in common/);
    const path = join(folder, 'results.json');
    writeFileSync(path, JSON.stringify(a));
    expect(await readResults(path)).toEqual(JSON.parse(JSON.stringify(a)));
    for (const [value, message] of [
      ['{', /JSON/],
      ['{}', /its schema is undefined/],
      [JSON.stringify({ ...a, runs: [] }), /no runs/],
      [JSON.stringify({ ...a, runs: [{ ...a.runs[0], tasks: { hellaswag: {} } }] }), /has no items/],
    ] as const) {
      writeFileSync(path, value);
      await expect(readResults(path)).rejects.toThrow(message);
    }
  });
});

describe('what cannot be done is said before it begins', () => {
  it.each<[string, Partial<EvaluateOptions>, RegExp]>([
    ['the same run twice', { runs: [budget, budget] }, /Two runs are called/],
    ['no run', { runs: [] }, /nothing to run/],
    ['only budgets out of reach', { runs: [{ budget: { net: 0.01 } }] }, /No run is possible/],
    ['a window beyond the context', { perplexity: { text, window: 1000 } }, /2 to 513 tokens/],
    ['an oracle that nobody tells', { runs: [{ ...budget, policy: 'oracle' }] }, /nobody tells it/],
  ])('%s', async (_, more, message) => {
    await expect(run(more)).rejects.toThrow(message);
  });
});

it('tells oracles what skipping would lose, text by text', async () => {
  const branches = 2 * model.config.layers;
  const asked: number[] = [];
  const textScores = async (tokens: Int32Array): Promise<Float32Array> => {
    asked.push(tokens.length);
    return Float32Array.from({ length: branches * tokens.length }, (_, index) => ((index * 37) % 101) / 101);
  };
  const { runs } = await run({
    runs: [{}, { ...budget, policy: 'oracle' }],
    tasks: [choice],
    textScores,
    agreement: { text, window: 100 },
  });
  const lengths = choice.items.flatMap((item) => (item.kind === 'score' ? item.texts.map(({ tokens }) => tokens.length - 1) : []));
  expect(asked.slice(0, lengths.length)).toEqual(lengths);
  expect(runs[1]!.held.skip).toBeGreaterThan(0.1);
  await expect(run({ runs: [{ ...budget, policy: 'oracle' }], tasks: [written], textScores })).rejects.toThrow(/gsm8k writes one/);
});
