import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../workspace/packages.mjs';
import { seconds, withProgress } from '../workspace/progress.mjs';
import { builtPackage } from './built-packages.mjs';
import { percent, table } from './table.mjs';

/** @typedef {{ label: string, budget: any, result: any, decodeSpeeds: number[] }} Answer */

/**
 * One model, one prompt: dense, and under two budgets. Shows what was asked, what was held, what it saved and what it cost.
 */
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'smollm2-135m' },
    adapter: { type: 'string' },
    prompt: { type: 'string', default: 'Write a short story about a lighthouse keeper.' },
    tokens: { type: 'string', default: '96' },
    budget: { type: 'string', multiple: true, default: ['10%', '20%'] },
    backend: { type: 'string', default: 'cpu' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  console.log(
    'npm run demo -- [--model <model>] [--adapter <file>] [--prompt <text>] [--tokens <n>] [--budget 10%]... [--backend cpu|reference]',
  );
  process.exit(0);
}

const started = performance.now();
try {
  await demo();
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

async function demo() {
  const [{ resolveModel, openModel, readAdapter, assertAdapterFits }, { createEngine }, { parseBudget, formatBudget }] = await Promise.all(
    ['@gateskip/model', '@gateskip/engine', '@gateskip/scheduler'].map(builtPackage),
  );
  const backend =
    values.backend === 'reference'
      ? (await builtPackage('@gateskip/backend-reference')).referenceBackend
      : (await builtPackage('@gateskip/backend-cpu')).cpuBackend;
  const budgets = values.budget.map((text) => parseBudget(text));
  const maxTokens = Number(values.tokens);

  const { path, sizeBytes } = await withProgress(`Model ${values.model}`, (note) => {
    /** @param {{ phase: string, done: number, total: number }} progress */
    const onProgress = ({ phase, done, total }) => note(total > 0 ? `${phase} ${percent(done / total)} of ${mebibytes(total)}` : phase);
    return resolveModel(values.model, { onProgress });
  });
  const model = await openModel(path);
  const { adapterPath } = await builtPackage('@gateskip/adapter-smollm2-135m-instruct');
  const gateFile = values.adapter ?? adapterPath;
  const adapter = existsSync(gateFile) ? await readAdapter(gateFile) : undefined;
  if (adapter) assertAdapterFits(adapter, model);
  const engine = await createEngine({ model, backend, ...(adapter && { adapter }), load: { maxTokens: 4096 } });
  const { runner } = engine;
  console.log(`  ${model.config.name}, ${mebibytes(sizeBytes)}, ${model.config.layers} layers, on ${describeRunner(runner)}`);
  if (adapter) console.log(`  gates: ${adapter.name} (${adapter.gates.spec.variant}), made from ${adapter.provenance.data}`);

  /** @type {Answer[]} */
  const answers = [];
  // The first run of anything is slower than the second; it is not the budget's fault.
  await engine.generate({ messages: [{ role: 'user', content: values.prompt }], maxTokens: 4, overflow: 'clamp' }).result;
  for (const budget of [undefined, ...(adapter ? budgets : [])]) {
    const label = budget === undefined ? 'dense' : formatBudget(budget);
    console.log(`\n── ${label} ${'─'.repeat(Math.max(0, 60 - label.length))}\n> ${values.prompt}`);
    const generation = engine.generate({
      messages: [{ role: 'user', content: values.prompt }],
      maxTokens,
      overflow: 'clamp',
      sampling: { seed: 1 },
      ...(budget && { budget }),
    });
    for await (const { text } of generation) process.stdout.write(text);
    process.stdout.write('\n');
    answers.push({ label, budget, result: await generation.result, decodeSpeeds: [] });
  }
  await timeDecode(engine, answers);

  console.log(`\n${comparison(answers)}`);
  const last = answers.at(-1);
  if (last?.budget) {
    // Traced on its own: keeping every score would slow the answers that are timed.
    const request = { messages: [{ role: 'user', content: values.prompt }], maxTokens, overflow: 'clamp', sampling: { seed: 1 } };
    await drawHeatMap(last.label, await engine.generate({ ...request, budget: last.budget, trace: true }).result);
  }
  if (!adapter) explainMissingGates(gateFile);
  await engine.close();
  await model.close();
  console.log(`\nTook ${seconds(performance.now() - started)}. Try: node apps/cli/dist/main.js chat ${values.model}`);
}

/**
 * The same short answer by turns under every budget: on a machine that others use, only runs side by side compare.
 *
 * @param {any} engine
 * @param {Answer[]} answers
 */
async function timeDecode(engine, answers) {
  const request = { messages: [{ role: 'user', content: values.prompt }], maxTokens: 49, ignoreEnd: true, overflow: 'clamp' };
  for (let round = 0; round < 3; round++) {
    for (const { budget, decodeSpeeds } of answers) {
      const { decodeTokensPerSecond } = await engine.generate({ ...request, ...(budget && { budget }) }).result;
      decodeSpeeds.push(decodeTokensPerSecond);
    }
  }
}

/** @param {number[]} numbers */
function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

/** @param {Answer[]} answers */
function comparison(answers) {
  const dense = answers[0]?.result;
  const denseSpeed = median(answers[0]?.decodeSpeeds ?? []);
  return table([
    ['budget', 'skipped', 'net MACs', 'prefill tok/s', 'decode tok/s', 'of dense', 'K/V rows', 'words as dense'],
    ...answers.map(({ label, result, decodeSpeeds }) => [
      label,
      percent(result.skip.held.skip),
      percent(result.skip.held.net),
      result.prefillTokensPerSecond.toFixed(0),
      median(decodeSpeeds).toFixed(1),
      `${(median(decodeSpeeds) / denseSpeed).toFixed(2)}x`,
      `${result.kvRows.used} of ${result.kvRows.dense}`,
      `first ${sharedWords(dense.text, result.text)}`,
    ]),
  ]);
}

/** How many words two texts begin with in common. @param {string} one @param {string} other */
function sharedWords(one, other) {
  const words = other.split(/\s+/);
  const from = one.split(/\s+/);
  const split = words.findIndex((word, index) => word !== from[index]);
  return split < 0 ? words.length : split;
}

/** @param {string} label @param {any} result */
async function drawHeatMap(label, { trace }) {
  const { renderHeatMapSvg, renderHeatMapText } = await builtPackage('@gateskip/observe');
  const width = Math.min(160, Math.max(60, process.stdout.columns ?? 100));
  // One panel: the end of the prompt and as much of the answer as fits.
  const from = Math.max(0, trace.promptTokens - 8);
  const to = Math.min(trace.tokens.length, from + width - 24);
  console.log(
    `\n${label}: which layers each token skipped\n${renderHeatMapText(trace, { width, color: terminalColor(process), what: 'skips', from, to })}`,
  );
  const folder = join(repositoryRoot, '.cache', 'demo');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'skips.svg');
  writeFileSync(file, renderHeatMapSvg(trace, { title: `${values.prompt} (${label})` }));
  console.log(`The whole map, with scores: ${relative(process.cwd(), file)}`);
}

/** @param {string} gateFile */
function explainMissingGates(gateFile) {
  console.log(`
Only dense answers: the gates that a budget needs are not there (${relative(process.cwd(), gateFile)}).
Fit them (a few minutes), then run the demo again:
  node apps/cli/dist/main.js fit ${values.model} --out ${relative(process.cwd(), gateFile)}`);
}

/** @param {NodeJS.Process} process */
function terminalColor({ stdout, env }) {
  if (!stdout.isTTY || env.NO_COLOR) return 'none';
  if (/truecolor|24bit/i.test(env.COLORTERM ?? '')) return 'truecolor';
  return /256/.test(env.TERM ?? '') ? '256' : 'none';
}

/** @param {{ backend: string, details: Record<string, string | number | boolean> }} runner */
function describeRunner({ backend, details }) {
  const { instructionSet, threads } = details;
  return instructionSet === undefined ? backend : `${backend} (${instructionSet}, ${threads} threads)`;
}

/** @param {number} bytes */
function mebibytes(bytes) {
  return `${(bytes / 1048576).toFixed(1)} MiB`;
}
