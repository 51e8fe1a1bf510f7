// Compares the CPU backend's next-token distributions with llama.cpp's, over the whole vocabulary.
//
//   node tools/peers/llama-cpp/compare-logits.mjs MODEL.gguf GOLDEN.json.gz LOGITS.f32 [--isa NAME] [--json]
//
// GOLDEN and LOGITS come from logits.py. Prints the share of positions with the same likeliest token, and the mean and
// the largest KL(llama.cpp || gateskip), in nats.
import { open, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { argmax, klDivergence } from '../distributions.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { isa: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const [modelPath, goldenPath, logitsPath] = positionals;
const { openModel } = await import('../../../packages/model/dist/index.js');
const { cpuBackend } = await import('../../../packages/backend-cpu/dist/index.js');
const { branchCount, densePlan } = await import('../../../packages/gate/dist/index.js');

const golden = JSON.parse(gunzipSync(await readFile(goldenPath)));
const bytes = Buffer.from(golden.tokens, 'base64');
const tokens = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).slice();
const model = await openModel(modelPath);
const runner = await cpuBackend.load(model, { extra: values.isa ? { isa: values.isa } : {} });
const vocabulary = model.config.vocabularySize;
const plan = densePlan(branchCount(model.config));
const file = await open(logitsPath);
const theirs = new Float32Array(vocabulary);
let same = 0;
let total = 0;
let largest = 0;

for (let window = 0; window < golden.windows; window++) {
  const sequence = runner.openSequence();
  const chunk = 64;
  for (let start = 0; start < golden.length; start += chunk) {
    const first = window * golden.length + start;
    const { logits } = await runner.step(
      {
        tokens: tokens.slice(first, first + chunk),
        segments: [{ sequence, start: 0, length: chunk, plan: 0 }],
        outputs: Int32Array.from({ length: chunk }, (_, i) => i),
      },
      [plan],
    );
    for (let i = 0; i < chunk; i++) {
      await file.read(new Uint8Array(theirs.buffer), 0, theirs.byteLength, (first + i) * theirs.byteLength);
      const ours = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
      const divergence = klDivergence(theirs, ours);
      same += argmax(theirs) === argmax(ours) ? 1 : 0;
      total += divergence;
      largest = Math.max(largest, divergence);
    }
  }
  runner.closeSequence(sequence);
}
const positions = golden.windows * golden.length;
const report = { positions, top1Agreement: same / positions, meanKl: total / positions, largestKl: largest, ...runner.details };
console.log(values.json ? JSON.stringify(report) : report);
await runner.close();
await model.close();
await file.close();
