// One training step of the CPU backend against the same step in PyTorch on the processor, by turns in one run: frozen backbone,
// scalar gates that keep every row (straight through), low-rank additions to all matrices, cross-entropy of the next token.
//
//   node tools/peers/torch/train-step.mjs MODEL.gguf [--python PYTHON] [--batch 2] [--length 512] [--rank 8] [--threads 2]
//     [--text FILE] [--rounds 3] [--precisions f32,bf16] [--json]
//
// PYTHON needs torch and numpy. Needs built packages. Both sides get the same tokens of the text (default: the root README; on
// tokens without sense bfloat16's gradients are those of another point) and the same start of the low-rank additions. Losses and
// the norm of the low-rank gradients are printed side by side: what is timed is the same work. Only medians of this run are compared.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    batch: { type: 'string', default: '2' },
    length: { type: 'string', default: '512' },
    rank: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
    text: { type: 'string', default: fileURLToPath(new URL('../../../README.md', import.meta.url)) },
    rounds: { type: 'string', default: '3' },
    precisions: { type: 'string', default: 'f32,bf16' },
    json: { type: 'boolean', default: false },
  },
});
const [batch, length, rank, threads, rounds] = ['batch', 'length', 'rank', 'threads', 'rounds'].map((name) => Number(values[name]));
const { openModel, tensorShapes } = await import('../../../packages/model/dist/index.js');
const { cpuBackend } = await import('../../../packages/backend-cpu/dist/index.js');
const { drawLoraDown } = await import('../../../packages/backend/dist/index.js');
const { branchCount, createGateSet } = await import('../../../packages/gate/dist/index.js');

const rows = batch * length;
const MATRICES = ['query', 'key', 'value', 'attentionOutput', 'mlpGate', 'mlpUp', 'mlpDown'];
const SEED = 7;

const model = await openModel(positionals[0]);
const { config } = model;
const found = model.tokenizer.encode(readFileSync(values.text, 'utf8'));
const tokens = Int32Array.from({ length: rows }, (_, row) => found[row % found.length]);
const folder = mkdtempSync(join(tmpdir(), 'train-step-'));
const startFile = join(folder, 'start.bin');
writeFileSync(startFile, startBytes());

/** Tokens (int32), then `down` of every layer and matrix (float32). */
function startBytes() {
  const shapes = tensorShapes(config);
  const downs = Array.from({ length: config.layers }, (_, layer) =>
    MATRICES.map((matrix) => drawLoraDown(SEED, layer, matrix, rank, shapes.get(`layers.${layer}.${matrix}`)[1])),
  ).flat();
  return Buffer.concat([tokens, ...downs].map(({ buffer }) => Buffer.from(buffer)));
}

/** @returns {Promise<{ name: string, step: () => Promise<{ seconds: number, loss: number, loraGradientNorm: number }>, close: () => Promise<void> }>} */
async function ours(precision) {
  const branches = branchCount(config);
  const spec = { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false };
  const gates = createGateSet(spec, config, { seed: 1 });
  for (const { weight, bias } of gates.gates) {
    weight.fill(0);
    bias.fill(2);
  }
  const lora = { rank, alpha: 16, matrices: MATRICES, seed: SEED };
  const trainer = await cpuBackend.loadTrainer(model, {
    gates,
    lora,
    trainable: ['gates', 'lora'],
    threads,
    maxRows: rows,
    extra: { precision },
  });
  const plan = {
    scorer: 'gate',
    rules: new Array(branches).fill('threshold'),
    values: new Float32Array(branches).fill(0.5),
    kv: 'project',
    seed: 0,
  };
  const targets = Int32Array.from(tokens, (_, row) => (row % length === length - 1 ? -1 : tokens[row + 1]));
  const input = {
    tokens,
    segmentLengths: new Int32Array(batch).fill(length),
    plan,
    straightThrough: { temperature: 0.1 },
    loss: { crossEntropy: { targets, weight: 1 } },
  };
  return {
    name: `gateskip, ${trainer.details.precision}`,
    async step() {
      trainer.zeroGradients();
      const started = performance.now();
      const { loss } = await trainer.step(input);
      const seconds = (performance.now() - started) / 1000;
      const ups = trainer.parameters.filter(({ name }) => name.endsWith('.loraUp'));
      const squares = ups.map(({ gradient }) => gradient.reduce((sum, value) => sum + value * value, 0));
      return { seconds, loss, loraGradientNorm: Math.sqrt(squares.reduce((sum, value) => sum + value, 0)) };
    },
    close: () => trainer.close(),
  };
}

async function theirs(precision) {
  const script = fileURLToPath(new URL('train-step.py', import.meta.url));
  const counts = ['batch', 'length', 'rank', 'threads'].flatMap((name) => [`--${name}`, values[name]]);
  const child = spawn(values.python, [script, positionals[0], startFile, '--precision', precision, ...counts], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${values.python} ended with ${child.exitCode}.`);
    return JSON.parse(value);
  };
  const { torch } = await next();
  return {
    name: `PyTorch ${torch}, ${precision}`,
    step() {
      child.stdin.write('\n');
      return next();
    },
    async close() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

const sides = [];
for (const precision of values.precisions.split(',')) sides.push(await ours(precision), await theirs(precision));
const samples = sides.map(() => []);
// The first round warms up.
for (let round = 0; round <= rounds; round++) {
  for (const [i, side] of sides.entries()) {
    const sample = await side.step();
    if (round > 0) samples[i].push(sample);
  }
}
for (const side of sides) await side.close();
await model.close();
rmSync(folder, { recursive: true });

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const results = sides.map(({ name }, i) => {
  const seconds = median(samples[i].map((sample) => sample.seconds));
  const { loss, loraGradientNorm } = samples[i][0];
  return { name, seconds, tokensPerSecond: rows / seconds, loss, loraGradientNorm };
});
if (values.json) console.log(JSON.stringify({ batch, length, rank, threads, rounds, results }, undefined, 2));
else
  for (const { name, seconds, tokensPerSecond, loss, loraGradientNorm } of results)
    console.log(
      `${name.padEnd(28)} ${seconds.toFixed(2)} s a step, ${tokensPerSecond.toFixed(0)} tokens a second (the first is ${(seconds / results[0].seconds).toFixed(2)} times as fast); ` +
        `loss ${loss.toFixed(5)}, low-rank gradient ${loraGradientNorm.toExponential(4)}`,
    );
