// Compares what the exported graph says with the CPU backend, over the whole vocabulary.
//
//   node tools/peers/onnx/agreement.mjs MODEL.gguf [--tokens 192] [--decode 64] [--threads 2] [--json]
//
// Reads a text as one prompt and compares the likeliest token of every position and KL(gateskip || ONNX); then both write on,
// and the tokens up to the first difference are counted. Needs built packages, tools/peers/onnx/export.mjs run on the model, and
// the peer (tools/peers/install.mjs onnxruntime-node).
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../../workspace/packages.mjs';
import { argmax, klDivergence } from '../distributions.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: 'string', default: '192' },
    decode: { type: 'string', default: '64' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const { openModel } = await import('../../../packages/model/dist/index.js');
const { cpuBackend } = await import('../../../packages/backend-cpu/dist/index.js');
const { branchCount, densePlan } = await import('../../../packages/gate/dist/index.js');
const peers = process.env.GATESKIP_PEERS ?? join(repositoryRoot, '.cache', 'peers');
const ort = createRequire(join(peers, 'onnxruntime-node', 'node_modules', 'onnxruntime-node', 'package.json'))('onnxruntime-node');

const passage = `The lighthouse stands on a low rock two miles from the shore. It was built in 1861 of grey granite, and for ninety years
three men lived in it by turns. They kept the lamp, wound the clockwork and wrote down the weather. Now nobody lives there: the lamp
is electric, and a boat comes twice a year to look after it. When the wind is in the north you can hear the old bell from the harbour.
The people of the town say that it rings for the keepers, but the truth is simpler. A rope was never tied properly, and nobody wants
to be the one who climbs up to mend it. In the museum there is a book with all the entries, page after page of wind and rain.`;

const model = await openModel(positionals[0]);
const { config } = model;
const count = Number(values.tokens);
const text = model.tokenizer ? [...model.tokenizer.encode(passage)] : [];
const prompt = Int32Array.from({ length: count }, (_, i) => text[i] ?? (i * 7919 + 13) % config.vocabularySize);
const steps = Number(values.decode);

const runner = await cpuBackend.load(model, { threads: Number(values.threads) });
const plan = densePlan(branchCount(config));
const sequence = runner.openSequence();
const ours = (
  await runner.step(
    {
      tokens: prompt,
      segments: [{ sequence, start: 0, length: count, plan: 0 }],
      outputs: Int32Array.from({ length: count }, (_, i) => i),
    },
    [plan],
  )
).logits;

const folder = join(peers, 'onnxruntime-node', 'models', model.fingerprint.slice(0, 16));
const described = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
const session = await ort.InferenceSession.create(join(folder, 'model.onnx'), {
  intraOpNumThreads: Number(values.threads),
  executionProviders: ['cpu'],
});
const room = count + steps + 1;
const kv = {};
const outputs = {};
for (let layer = 0; layer < config.layers; layer++)
  for (const part of ['key', 'value']) {
    const size = config.kvHeads * room * config.headSize;
    const tensor = new ort.Tensor('float32', new Float32Array(size), [1, config.kvHeads, room, config.headSize]);
    kv[`past_${part}.${layer}`] = tensor;
    outputs[`present_${part}.${layer}`] = tensor;
  }
const run = (tokens, past, rows) =>
  session.run(
    {
      ...kv,
      tokens: new ort.Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
      last_index: new ort.Tensor('int32', Int32Array.of(past + tokens.length - 1), [1]),
      total_length: new ort.Tensor('int32', Int32Array.of(past + tokens.length), []),
      rows: new ort.Tensor('int64', BigInt64Array.from(rows, BigInt), [rows.length]),
    },
    { ...outputs, logits: null, likeliest: null },
  );
const read = await run(
  [...prompt],
  0,
  Array.from({ length: count }, (_, i) => i),
);
const theirs = read.logits.data;
let same = 0;
let divergence = 0;
const vocabulary = config.vocabularySize;
for (let row = 0; row < count; row++) {
  const [p, q] = [ours, theirs].map((logits) => logits.subarray(row * vocabulary, (row + 1) * vocabulary));
  same += argmax(p) === argmax(q) ? 1 : 0;
  divergence += klDivergence(p, q);
}

let [mine, other] = [argmax(ours.subarray((count - 1) * vocabulary)), Number(read.likeliest.data[count - 1])];
let together = 0;
for (; together < steps && mine === other; together++) {
  const segments = [{ sequence, start: 0, length: 1, plan: 0 }];
  const { top } = await runner.step({ tokens: Int32Array.of(mine), segments, outputs: Int32Array.of(0), topLogits: 1 }, [plan]);
  other = Number((await run([other], count + together, [0])).likeliest.data[0]);
  mine = top.tokens[0];
}
const report = {
  positions: count,
  top1Agreement: same / count,
  meanKl: divergence / count,
  decodedAlike: together,
  ofDecoded: steps,
  ...described,
};
console.log(values.json ? JSON.stringify(report) : report);
await runner.close();
await model.close();
