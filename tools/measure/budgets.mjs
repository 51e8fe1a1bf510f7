// What a budget does to decode and prefill on the real model: is it held, what is spent, how fast it is.
//
//   node tools/measure/budgets.mjs [--model smollm2-135m] [--steps 512] [--rounds 3] [--threads N] [--json]
//
// Needs built packages (npm run setup). Per budget and prompt: `steps` decode steps at batch 1; the worst distance of the
// held from the asked skip share, from step 64 on. Speeds are medians over rounds, the budgets interleaved with dense runs,
// each divided by the dense run beside it.
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'smollm2-135m' },
    steps: { type: 'string', default: '512' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const load = (name) => import(`../../packages/${name}/dist/index.js`);
const [{ loadModel, readAdapter }, { cpuBackend }, { createEngine }, { adapterPath }] = await Promise.all(
  ['model', 'backend-cpu', 'engine', 'adapter-smollm2-135m-instruct'].map(load),
);
const SKIPS = [0.1, 0.25, 0.5, 0.75];
const PROMPTS = [
  'Write a long story about a lighthouse keeper and a storm.',
  'Explain how a steam engine works, step by step.',
  'List twenty facts about the sea and say why each one matters.',
];
const steps = Number(options.steps);
const rounds = Number(options.rounds);

const model = await loadModel(options.model);
const adapter = await readAdapter(adapterPath);
const threads = options.threads ? Number(options.threads) : undefined;
const engine = await createEngine({ model, backend: cpuBackend, adapter, load: { ...(threads && { threads }) } });
const log = (line) => console.error(line);

const report = [];
for (const skip of SKIPS) {
  const held = [];
  for (const content of PROMPTS) {
    const { trace, skip: statistics } = await engine.generate({
      messages: [{ role: 'user', content }],
      budget: { skip },
      maxTokens: steps + 1,
      ignoreEnd: true,
      trace: true,
    }).result;
    held.push({ worst: worstDistance(trace, skip), decode: statistics.decode });
    log(
      `skip ${skip}: held ${(100 * statistics.decode.skip).toFixed(2)} %, worst distance from step 64 on ${(100 * held.at(-1).worst).toFixed(2)} points`,
    );
  }
  report.push({
    skip,
    heldSkip: mean(held.map(({ decode }) => decode.skip)),
    heldNet: mean(held.map(({ decode }) => decode.net)),
    worstDistance: Math.max(...held.map(({ worst }) => worst)),
    decodeRatios: [],
    prefillRatios: [],
  });
}

const dense = { decode: [], prefill: [] };
for (let round = 0; round < rounds; round++) {
  for (const entry of report) {
    const plain = await speeds();
    const skipping = await speeds({ skip: entry.skip });
    dense.decode.push(plain.decode);
    dense.prefill.push(plain.prefill);
    entry.decodeRatios.push(skipping.decode / plain.decode);
    entry.prefillRatios.push(skipping.prefill / plain.prefill);
  }
  log(`round ${round + 1} of ${rounds} timed`);
}
const result = {
  machine: { cpu: cpus()[0]?.model, cores: availableParallelism(), ...engine.runner.details },
  model: model.config.name,
  steps,
  dense: { decodeTokensPerSecond: median(dense.decode), prefillTokensPerSecond: median(dense.prefill) },
  budgets: report.map(({ decodeRatios, prefillRatios, ...entry }) => ({
    ...entry,
    decodeSpeedup: spread(decodeRatios),
    prefillSpeedup: spread(prefillRatios),
  })),
};
await engine.close();
await model.close();
if (options.json) console.log(JSON.stringify(result, null, 1));
else {
  const { decodeTokensPerSecond, prefillTokensPerSecond } = result.dense;
  console.log(`${result.machine.cpu}, ${result.machine.instructionSet}, ${result.machine.threads} threads`);
  console.log(`dense: decode ${decodeTokensPerSecond.toFixed(0)} tokens/s, prefill of 512 ${prefillTokensPerSecond.toFixed(0)} tokens/s`);
  console.log('| skip asked | held | worst distance, steps 64.. | net MACs | decode speed-up | prefill speed-up |');
  console.log('| --- | --- | --- | --- | --- | --- |');
  for (const b of result.budgets) {
    const ratio = ({ median: m, low, high }) => `${m.toFixed(2)} (${low.toFixed(2)}..${high.toFixed(2)})`;
    const percent = (x) => `${(100 * x).toFixed(1)} %`;
    console.log(
      `| ${percent(b.skip)} | ${percent(b.heldSkip)} | ${(100 * b.worstDistance).toFixed(2)} points | ${percent(b.heldNet)} | ${ratio(b.decodeSpeedup)} | ${ratio(b.prefillSpeedup)} |`,
    );
  }
}

async function speeds(budget) {
  const tokens = Int32Array.from({ length: 512 }, (_, i) => 100 + ((i * 7919) % 40000));
  const { prefillTokensPerSecond } = await engine.generate({ tokens, maxTokens: 1, ignoreEnd: true, ...(budget && { budget }) }).result;
  const { decodeTokensPerSecond } = await engine.generate({
    messages: [{ role: 'user', content: PROMPTS[0] }],
    maxTokens: 129,
    ignoreEnd: true,
    ...(budget && { budget }),
  }).result;
  return { decode: decodeTokensPerSecond, prefill: prefillTokensPerSecond };
}

function worstDistance({ kept, branches, promptTokens, tokens }, skip) {
  let skipped = 0;
  let worst = 0;
  for (let token = promptTokens; token < tokens.length; token++) {
    for (let branch = 0; branch < branches; branch++) skipped += 1 - kept[token * branches + branch];
    const step = token - promptTokens + 1;
    if (step >= 64) worst = Math.max(worst, Math.abs(skipped / (step * branches) - skip));
  }
  return worst;
}

function mean(numbers) {
  return numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

function spread(ratios) {
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}
