// Writes a GGUF model as an ONNX graph for the race against onnxruntime-node.
//
//   node tools/peers/onnx/export.mjs MODEL.gguf [--out FOLDER] [--context 4096]
//
// Needs built packages. Matrices become MatMulNBits of blocks of 32: 4 bits from Q4_0 (exact) and Q4_1 (rounded anew, with a
// whole offset per block), 8 bits from Q8_0 (exact) and the rest. The head is the embedding again where the model ties them, at the
// bits that the file gives it. Without --out it goes where `gateskip bench --against onnxruntime-node` looks for it.
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../../workspace/packages.mjs';
import { BLOCK, bitsOf, packBlocks, stack } from './block-weights.mjs';
import { decoderGraph } from './decoder-graph.mjs';
import { dataTypes, externalTensor, onnxModel } from './onnx-parts.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string' }, context: { type: 'string', default: '4096' } },
});
const [modelPath] = positionals;
if (modelPath === undefined) {
  console.error('node tools/peers/onnx/export.mjs MODEL.gguf [--out FOLDER] [--context 4096]');
  process.exit(2);
}
const { openModel, dequantize, halfToFloat, rotaryFrequencies } = await import('../../../packages/model/dist/index.js');
const model = await openModel(modelPath);
const { config } = model;
if (config.ropeSize !== config.headSize) throw new Error('Heads that rotate in part are not exported.');
const peers = process.env.GATESKIP_PEERS ?? join(repositoryRoot, '.cache', 'peers');
const folder = values.out ?? join(peers, 'onnxruntime-node', 'models', model.fingerprint.slice(0, 16));
await mkdir(folder, { recursive: true });

const dataFile = 'weights.bin';
const partPath = join(folder, `${dataFile}.part`);
const file = await open(partPath, 'w');
let at = 0;
/** @type {Buffer[]} */
const tensors = [];
/** @type {Map<string, { bits: 4 | 8, rows: number, columns: number, hasZeros: boolean }>} */
const weights = new Map();

/** Appends bytes where a page begins. */
async function place(array) {
  at = Math.ceil(at / 4096) * 4096;
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, Math.min(1 << 28, bytes.length - done), at + done)).bytesWritten;
  const found = { file: dataFile, offset: at, length: bytes.length };
  at += bytes.length;
  return found;
}

async function packed(names, least = 4) {
  const infos = names.map((name) => model.tensors.get(name));
  const bits = Math.max(least, ...infos.map(({ type }) => bitsOf(type)));
  const parts = [];
  for (const info of infos) parts.push(packBlocks(info, await model.read(info.name), bits, { dequantize, halfToFloat }));
  return parts.length > 1 ? stack(parts) : parts[0];
}

function describe(name, weight, quantities, scales, zeros) {
  const { bits, rows, columns } = weight;
  const blocks = columns / BLOCK;
  tensors.push(externalTensor(`${name}.quantities`, dataTypes.uint8, [rows, blocks, (BLOCK * bits) / 8], quantities));
  tensors.push(externalTensor(`${name}.scales`, dataTypes.float, [rows * blocks], scales));
  if (zeros) tensors.push(externalTensor(`${name}.zeros`, dataTypes.uint8, [weight.zeros.length], zeros));
  weights.set(name, { bits, rows, columns, hasZeros: zeros !== undefined });
}

async function matrix(name, names) {
  const weight = await packed(names);
  describe(name, weight, await place(weight.quantities), await place(weight.scales), weight.zeros && (await place(weight.zeros)));
}

async function vector(name) {
  const info = model.tensors.get(name);
  const values = Float32Array.from(dequantize(info.type, await model.read(name), info.columns));
  tensors.push(externalTensor(name, dataTypes.float, [values.length], await place(values)));
}

for (let layer = 0; layer < config.layers; layer++) {
  const key = `layers.${layer}`;
  await vector(`${key}.attentionNorm`);
  await vector(`${key}.mlpNorm`);
  await matrix(`${key}.queryKeyValue`, [`${key}.query`, `${key}.key`, `${key}.value`]);
  for (const name of ['attentionOutput', 'mlpGate', 'mlpUp', 'mlpDown']) await matrix(`${key}.${name}`, [`${key}.${name}`]);
  process.stderr.write(`\rlayer ${layer + 1} of ${config.layers}`);
}
await vector('outputNorm');
// Rows of the embedding are looked up in 8 bits: the lookup knows no packed offsets.
const embedding = await packed(['tokenEmbedding'], 8);
if (embedding.zeros) throw new Error(`An embedding in ${model.tensors.get('tokenEmbedding').type} is not exported; Q8_0 is.`);
const { rows, columns } = embedding;
const [quantities, scales] = [await place(embedding.quantities), await place(embedding.scales)];
tensors.push(externalTensor('embedding.quantities', dataTypes.uint8, [rows, columns], quantities));
tensors.push(externalTensor('embedding.scales', dataTypes.float, [rows, columns / BLOCK], scales));
weights.set('embedding', { bits: 8, rows, columns, hasZeros: false });
if (config.tiedEmbeddings) describe('head', embedding, quantities, scales);
else await matrix('head', ['output']);

const context = Math.min(config.contextLength, Number(values.context));
const frequencies = rotaryFrequencies(config);
const turns = (/** @type {(angle: number) => number} */ of) =>
  Float32Array.from({ length: context * frequencies.length }, (_, i) =>
    of(Math.floor(i / frequencies.length) * frequencies[i % frequencies.length]),
  );
for (const [name, of] of /** @type {const} */ ([
  ['cosines', Math.cos],
  ['sines', Math.sin],
]))
  tensors.push(externalTensor(name, dataTypes.float, [context, frequencies.length], await place(turns(of))));

await file.close();
await rename(partPath, join(folder, dataFile));
const graph = decoderGraph(config, (name) => weights.get(name));
await writeFile(join(folder, 'model.onnx'), onnxModel(config.name, [...graph, ...tensors]));
const described = {
  fingerprint: model.fingerprint,
  context,
  layers: config.layers,
  kvHeads: config.kvHeads,
  headSize: config.headSize,
  vocabularySize: config.vocabularySize,
  bits: weights.get('layers.0.mlpDown').bits,
  headBits: weights.get('head').bits,
  /** Whether every weight is the file's, to the bit. */
  exact: [...model.tensors.values()].every(({ rows, type }) => rows === 1 || type === 'Q4_0' || type === 'Q8_0'),
};
await writeFile(join(folder, 'model.json'), `${JSON.stringify(described, null, 2)}\n`);
await model.close();
console.error(`\r${folder}: ${(at / 1e6).toFixed(0)} MB, ${described.bits} bits, head ${described.headBits} bits`);
