// What becomes of an adapter's low-rank additions on the CPU: carried beside the weights, or merged into them and rounded to
// the type that the weights have.
//
//   node tools/measure/lora.mjs --adapter gates.safetensors [--model smollm2-135m] [--tokens 128] [--rounds 5] [--threads N]
//     [--processor-time] [--json]
//
// Needs built packages (npm run setup). Loss: the model writes `tokens` tokens of its own; at each, KL from the adapter's
// dense mode in exact arithmetic (the reference backend, double precision, some tenths of a second a token) to the same on
// the CPU. `--tokens 0` leaves it out. Speeds: medians over rounds, the variants in turn, each divided by the model without
// adapter beside it. --processor-time counts the process's own time and not the wall's: for a machine that does other work
// beside, with --threads 1.
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    adapter: { type: 'string' },
    model: { type: 'string', default: 'smollm2-135m' },
    tokens: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string' },
    'processor-time': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const load = (name) => import(`../../packages/${name}/dist/index.js`);
const [{ encodeChat, loadModel, readAdapter }, { cpuBackend }, { referenceBackend }, { branchCount, densePlan }] = await Promise.all(
  ['model', 'backend-cpu', 'backend-reference', 'gate'].map(load),
);
if (options.adapter === undefined) throw new Error('--adapter names a file with low-rank additions.');
const asRead = await readAdapter(options.adapter);
// Here additions are always there in full: what is merged cannot be weighed.
const curve = asRead.calibration.curve.map(({ threshold, skip, net }) => ({ threshold, skip, net }));
const adapter = { ...asRead, calibration: { ...asRead.calibration, curve } };
const { lora } = adapter.backbone ?? {};
if (lora === undefined) throw new Error(`${options.adapter} has no low-rank additions.`);

const PROMPT = 'Explain how a steam engine works, step by step.';
const CHUNK = 16;
const DECODE_STEPS = 96;
const PREFILL_ROWS = 512;
const model = await loadModel(options.model);
const { contextLength, vocabularySize } = model.config;
const plans = [densePlan(branchCount(model.config))];
const tokenCount = Number(options.tokens);
const rounds = Number(options.rounds);
const loadOptions = { maxTokens: contextLength, ...(options.threads && { threads: Number(options.threads) }) };
const log = (line) => console.error(line);

const variants = {
  'without adapter': await cpuBackend.load(model, loadOptions),
  carried: await cpuBackend.load(model, { ...loadOptions, adapter, extra: { lora: 'carry' } }),
  merged: await cpuBackend.load(model, { ...loadOptions, adapter, extra: { lora: 'merge' } }),
};
const plain = variants['without adapter'];
const prompt = await encodeChat(model, [{ role: 'user', content: PROMPT }], { addGenerationPrompt: true });

const losses = tokenCount > 0 ? await measureLosses() : undefined;
const speeds = rounds > 0 ? await measureSpeeds() : undefined;
const { macs, denseMacs } = await step(variants.carried, variants.carried.openSequence(), prompt, new Int32Array(0));
const result = {
  machine: { cpu: cpus()[0]?.model, cores: availableParallelism(), ...plain.details },
  model: model.config.name,
  adapter: adapter.name,
  lora: { rank: lora.rank, matrices: lora.matrices, bytes: variants.carried.details.loraBytes, macsShare: macs[0] / denseMacs[0] - 1 },
  weightBytes: plain.details.weightBytes,
  ...(losses && { tokens: tokenCount, losses }),
  ...(speeds && { speeds }),
};
for (const runner of Object.values(variants)) await runner.close();
await model.close();
if (options.json) console.log(JSON.stringify(result, null, 1));
else printTables();

function now() {
  if (!options['processor-time']) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function step(runner, sequence, tokens, outputs) {
  const segments = [{ sequence, start: 0, length: tokens.length, plan: 0 }];
  return runner.step({ tokens: Int32Array.from(tokens), segments, outputs }, plans);
}

/** Greedy tokens of the model without adapter, after the prompt. */
async function ownText() {
  const sequence = plain.openSequence();
  const written = [...prompt];
  let next = prompt;
  while (written.length < prompt.length + tokenCount) {
    const { logits } = await step(plain, sequence, next, Int32Array.of(next.length - 1));
    next = [logits.indexOf(Math.max(...logits))];
    written.push(next[0]);
  }
  plain.closeSequence(sequence);
  return written;
}

/** Log-probabilities [vocabulary] of every position behind the prompt. */
async function logProbabilities(runner, text, what) {
  const sequence = runner.openSequence();
  const rows = [];
  for (let start = 0; start < text.length; start += CHUNK) {
    const tokens = text.slice(start, start + CHUNK);
    const wanted = Int32Array.from(tokens.keys()).filter((row) => start + row >= prompt.length - 1);
    const { logits } = await step(runner, sequence, tokens, wanted);
    for (let i = 0; i < wanted.length; i++) rows.push(logSoftmax(logits.subarray(i * vocabularySize, (i + 1) * vocabularySize)));
    if (what) log(`${what}: ${Math.min(start + CHUNK, text.length)} of ${text.length} tokens`);
  }
  runner.closeSequence(sequence);
  return rows;
}

async function measureLosses() {
  const text = await ownText();
  const exactRows = async (more, what) => {
    const runner = await referenceBackend.load(model, { maxTokens: contextLength, ...more });
    const rows = await logProbabilities(runner, text, what);
    await runner.close();
    return rows;
  };
  const exactPlain = await exactRows({}, 'exact, without adapter');
  const exact = await exactRows({ adapter }, 'exact, with adapter');
  const found = {
    'what the adapter changes: without to with it, both exact': divergence(exact, exactPlain),
    'without adapter: exact to CPU': divergence(exactPlain, await logProbabilities(plain, text)),
    'carried: exact to CPU': divergence(exact, await logProbabilities(variants.carried, text)),
    'merged: exact to CPU': divergence(exact, await logProbabilities(variants.merged, text)),
  };
  return found;
}

async function measureSpeeds() {
  const names = Object.keys(variants);
  const measured = Object.fromEntries(names.map((name) => [name, { decode: [], prefill: [] }]));
  for (let round = -1; round < rounds; round++) {
    // Another first one every round.
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round + 1) % names.length];
      const { decode, prefill } = await speedsOf(variants[name]);
      if (round < 0) continue; // warm-up
      measured[name].decode.push(decode);
      measured[name].prefill.push(prefill);
    }
    log(`round ${round + 1} of ${rounds} timed`);
  }
  const against = (name, kind) => spread(measured[name][kind].map((value, i) => value / measured['without adapter'][kind][i]));
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        decodeTokensPerSecond: median(measured[name].decode),
        prefillTokensPerSecond: median(measured[name].prefill),
        decodeRatio: against(name, 'decode'),
        prefillRatio: against(name, 'prefill'),
      },
    ]),
  );
}

async function speedsOf(runner) {
  const sequence = runner.openSequence();
  const long = Int32Array.from({ length: PREFILL_ROWS }, (_, i) => 100 + ((i * 7919) % 40000));
  const prefillStart = now();
  await step(runner, sequence, long, Int32Array.of(PREFILL_ROWS - 1));
  const prefillMs = now() - prefillStart;
  runner.truncate(sequence, 64);
  const decodeStart = now();
  for (let i = 0; i < DECODE_STEPS; i++) await step(runner, sequence, [200 + i], Int32Array.of(0));
  const decodeMs = now() - decodeStart;
  runner.closeSequence(sequence);
  return { decode: (1000 * DECODE_STEPS) / decodeMs, prefill: (1000 * PREFILL_ROWS) / prefillMs };
}

function logSoftmax(logits) {
  let top = Number.NEGATIVE_INFINITY;
  for (const logit of logits) top = Math.max(top, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - top);
  const shift = top + Math.log(sum);
  return Float64Array.from(logits, (logit) => logit - shift);
}

/** Mean KL in nats, and the share of positions with the same likeliest token. */
function divergence(exact, got) {
  let kl = 0;
  let agreed = 0;
  for (const [i, p] of exact.entries()) {
    const q = got[i];
    let best = 0;
    let bestOther = 0;
    for (let token = 0; token < p.length; token++) {
      kl += Math.exp(p[token]) * (p[token] - q[token]);
      if (p[token] > p[best]) best = token;
      if (q[token] > q[bestOther]) bestOther = token;
    }
    if (best === bestOther) agreed++;
  }
  return { kl: kl / exact.length, top1: agreed / exact.length };
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

function spread(ratios) {
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}

function printTables() {
  const { machine, lora: additions, weightBytes } = result;
  const share = (100 * additions.bytes) / weightBytes;
  console.log(`${machine.cpu}, ${machine.instructionSet}, ${machine.threads} threads`);
  console.log(
    `rank ${additions.rank} on ${additions.matrices.length} matrices: ${(additions.bytes / 2 ** 20).toFixed(2)} MiB, ${share.toFixed(1)} % of the weights' bytes, ${(100 * additions.macsShare).toFixed(1)} % of the layer MACs`,
  );
  if (losses) {
    console.log(`\n| ${tokenCount} tokens of the model's own | KL, nats | same likeliest token |\n| --- | --- | --- |`);
    for (const [name, { kl, top1 }] of Object.entries(losses)) console.log(`| ${name} | ${kl.toFixed(5)} | ${(100 * top1).toFixed(1)} % |`);
  }
  if (!speeds) return;
  const ratio = ({ median: m, low, high }) => `${m.toFixed(3)} (${low.toFixed(3)}..${high.toFixed(3)})`;
  console.log('\n| | decode, tokens/s | prefill of 512, tokens/s | decode, against without | prefill, against without |');
  console.log('| --- | --- | --- | --- | --- |');
  for (const [name, s] of Object.entries(speeds))
    console.log(
      `| ${name} | ${s.decodeTokensPerSecond.toFixed(0)} | ${s.prefillTokensPerSecond.toFixed(0)} | ${ratio(s.decodeRatio)} | ${ratio(s.prefillRatio)} |`,
    );
}
