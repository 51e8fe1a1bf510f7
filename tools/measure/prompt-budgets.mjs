// What skipping in prompts costs their answers, and what skipping in the answers does: budget and `promptBudget` apart.
//
//   node tools/measure/prompt-budgets.mjs --prompts FILE [--model smollm2-135m] [--count 24] [--tokens 80] [--skips 0,10,20,30,40,50] [--json]
//
// Needs built packages (npm run setup). The dense model answers every prompt greedily; the same tokens then run under every pair of
// budgets of the policy `global-threshold`. Per pair: the share saved of all MACs, and the mean KL of the answer's next-token
// distributions to the dense model's. FILE: a prompt a line, or JSON objects {prompt}, or {instruction, input}.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    prompts: { type: 'string' },
    model: { type: 'string', default: 'smollm2-135m' },
    count: { type: 'string', default: '24' },
    tokens: { type: 'string', default: '80' },
    skips: { type: 'string', default: '0,10,20,30,40,50' },
    json: { type: 'boolean', default: false },
  },
});
if (!options.prompts) throw new Error('Give --prompts FILE.');
const load = (name) => import(`../../packages/${name}/dist/index.js`);
const [{ loadModel, readAdapter }, { cpuBackend }, { createEngine }, { createPolicy }, { adapterPath }] = await Promise.all(
  ['model', 'backend-cpu', 'engine', 'scheduler', 'adapter-smollm2-135m-instruct'].map(load),
);
const skips = options.skips.split(',').map((text) => Number(text) / 100);
const model = await loadModel(options.model);
const adapter = await readAdapter(adapterPath);
const vocabulary = model.config.vocabularySize;

const texts = await answers();
const runner = await cpuBackend.load(model, { adapter });
const cells = skips.flatMap((prompt) => skips.map((answer) => ({ prompt, answer, kl: 0, macs: 0, denseMacs: 0 })));
let tokens = 0;
for (const [done, text] of texts.entries()) {
  const expected = (await run(text, undefined)).logits.map(logSoftmax);
  tokens += expected.length;
  for (const cell of cells) {
    const { logits, macs, denseMacs } = await run(text, policyOf(cell));
    cell.macs += macs;
    cell.denseMacs += denseMacs;
    for (const [i, row] of logits.entries()) cell.kl += divergence(expected[i], logSoftmax(row));
  }
  console.error(`${done + 1} of ${texts.length} texts`);
}
await runner.close();
await model.close();
const report = cells.map(({ prompt, answer, kl, macs, denseMacs }) => ({ prompt, answer, saved: 1 - macs / denseMacs, kl: kl / tokens }));
if (options.json) {
  console.log(JSON.stringify({ model: model.config.name, adapter: adapter.name, texts: texts.length, tokens, cells: report }, null, 1));
} else {
  console.log(`${texts.length} prompts of ${texts.reduce((sum, { promptTokens }) => sum + promptTokens, 0)} tokens, answers of ${tokens}`);
  console.log(`| prompt skips \\ answer skips | ${skips.map(percent).join(' | ')} |\n|${' --- |'.repeat(skips.length + 1)}`);
  for (const prompt of skips) {
    const row = report.filter((cell) => cell.prompt === prompt).map(({ kl, saved }) => `${kl.toFixed(3)} (${percent(saved)})`);
    console.log(`| ${percent(prompt)} | ${row.join(' | ')} |`);
  }
}

/** The dense model's own answers: tokens of prompt and answer, and where the answer begins. */
async function answers() {
  const engine = await createEngine({ model, backend: cpuBackend });
  const found = [];
  for (const line of readFileSync(options.prompts, 'utf8').split('\n')) {
    if (found.length === Number(options.count)) break;
    const content = promptOf(line.trim());
    if (content.length < 100 || content.length > 900) continue;
    const request = { messages: [{ role: 'user', content }], maxTokens: Number(options.tokens), sampling: { temperature: 0 }, trace: true };
    const { trace } = await engine.generate(request).result;
    if (trace.tokens.length - trace.promptTokens < 8) continue;
    found.push({ tokens: Int32Array.from(trace.tokens), promptTokens: trace.promptTokens });
    console.error(`${found.length} of ${options.count} answers`);
  }
  await engine.close();
  return found;
}

function promptOf(line) {
  if (!line.startsWith('{')) return line;
  const { prompt, instruction = '', input } = JSON.parse(line);
  return prompt ?? (input ? `${instruction}\n${input}` : instruction);
}

function policyOf({ prompt, answer }) {
  const { config } = model;
  const context = { shape: config, gates: adapter.gates.spec, calibration: adapter.calibration, budget: { skip: answer } };
  return createPolicy('global-threshold', { ...context, options: { promptBudget: { skip: prompt } } });
}

/** Logits after the last token of the prompt and after every token of the answer. */
async function run({ tokens: ids, promptTokens }, policy) {
  const control = (policy ?? createPolicy('dense', { shape: model.config, budget: { skip: 0 } })).open({ promptTokens });
  const sequence = runner.openSequence();
  const logits = [];
  let spent = 0;
  let dense = 0;
  for (let position = 0; position < ids.length; ) {
    const end = position < promptTokens ? promptTokens : ids.length;
    const rows = Math.min(end - position, control.spanAt(position));
    const outputs = Int32Array.from({ length: rows }, (_, row) => row).filter((row) => position + row >= promptTokens - 1);
    const plan = control.plan(position, rows);
    const segments = [{ sequence, start: 0, length: rows, plan: 0 }];
    const result = await runner.step({ tokens: ids.slice(position, position + rows), segments, outputs }, [plan]);
    for (let i = 0; i < outputs.length; i++) logits.push(result.logits.slice(i * vocabulary, (i + 1) * vocabulary));
    control.observe({ position, rows, kept: result.kept, macs: result.macs[0], denseMacs: result.denseMacs[0] });
    spent += result.macs[0];
    dense += result.denseMacs[0];
    position += rows;
  }
  runner.closeSequence(sequence);
  return { logits, macs: spent, denseMacs: dense };
}

function logSoftmax(row) {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of row) most = Math.max(most, value);
  let sum = 0;
  for (const value of row) sum += Math.exp(value - most);
  const total = most + Math.log(sum);
  return row.map((value) => value - total);
}

function divergence(expected, got) {
  let sum = 0;
  for (let i = 0; i < vocabulary; i++) sum += Math.exp(expected[i]) * (expected[i] - got[i]);
  return sum;
}

function percent(share) {
  return `${(100 * share).toFixed(share < 1 && !Number.isInteger(Math.round(1e6 * share) / 1e4) ? 1 : 0)} %`;
}
