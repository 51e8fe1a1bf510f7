// Writes a GGUF model with random weights: the sizes of a real one, for speed and nothing else.
//
//   node tools/models/random-gguf.mjs OUT.gguf [--shape 1b|30m|tiny] [--type Q4_0|Q8_0] [--seed 1]
//
// The same words write the same bytes on every machine. Embedding and head (they are one) are Q8_0. Memory stays small
// whatever the shape. The tokenizer knows single bytes and one merge; the other tokens are there to be counted.
import { open } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { header, padding, tensorTypes, value } from './gguf-writer.mjs';
import { fillBlocks, Random } from './random-blocks.mjs';
import { shapes } from './shapes.mjs';

/** Bytes that are made and written at once; a whole number of blocks of either format. */
const PIECE_BYTES = 18 * 34 * 4096;

/**
 * @param {string} path @param {{ shape: string, type: 'Q4_0' | 'Q8_0', seed: number }} options
 * @returns {Promise<number>} bytes written
 */
export async function writeRandomGguf(path, { shape: shapeName, type, seed }) {
  const shape = Object.hasOwn(shapes, shapeName) ? shapes[shapeName] : undefined;
  if (!shape) throw new Error(`There is no shape "${shapeName}". Known: ${Object.keys(shapes).join(', ')}.`);
  if (type !== 'Q4_0' && type !== 'Q8_0') throw new Error(`Weights are written as Q4_0 or Q8_0, not as ${type}.`);
  const plans = tensorPlans(shape, type);
  const file = await open(path, 'w');
  try {
    let written = 0;
    const write = async (/** @type {Uint8Array} */ bytes) => {
      for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
      written += bytes.length;
    };
    await write(header(metadata(shape, `random ${shapeName} ${type}, seed ${seed}`, type), plans));
    const piece = new Uint8Array(PIECE_BYTES);
    for (const [index, plan] of plans.entries()) {
      const bytes = tensorTypes[plan.type].bytes(plan.rows * plan.columns);
      const random = new Random(seed * 65537 + index);
      for (let left = bytes; left > 0; left -= Math.min(left, PIECE_BYTES)) {
        const part = piece.subarray(0, Math.min(left, PIECE_BYTES));
        if (plan.type === 'F32') new Float32Array(part.buffer, 0, part.length / 4).fill(1);
        else fillBlocks(part, plan.type, plan.deviation, random);
        await write(part);
      }
      await write(padding(bytes));
    }
    return written;
  } finally {
    await file.close();
  }
}

/**
 * Inputs of a matrix are normed, so outputs keep the size of one; what goes back to the stream is made smaller by the number of
 * branches, so that the stream keeps its size too. Logits come out with a deviation of about one.
 *
 * @param {import('./shapes.mjs').Shape} shape @param {'Q4_0' | 'Q8_0'} type
 */
function tensorPlans(shape, type) {
  const { layers, hiddenSize, heads, kvHeads, headSize, intermediateSize, vocabularySize } = shape;
  const plan = (/** @type {string} */ name, /** @type {number} */ rows, /** @type {number} */ columns, scale = 1) => {
    const stored = rows === 1 ? /** @type {const} */ ('F32') : name === 'token_embd' ? /** @type {const} */ ('Q8_0') : type;
    return { name: `${name}.weight`, type: stored, rows, columns, deviation: scale / Math.sqrt(columns) };
  };
  const back = 1 / Math.sqrt(2 * layers);
  const plans = [plan('token_embd', vocabularySize, hiddenSize)];
  for (let layer = 0; layer < layers; layer++) {
    const key = `blk.${layer}`;
    plans.push(
      plan(`${key}.attn_norm`, 1, hiddenSize),
      plan(`${key}.attn_q`, heads * headSize, hiddenSize),
      plan(`${key}.attn_k`, kvHeads * headSize, hiddenSize),
      plan(`${key}.attn_v`, kvHeads * headSize, hiddenSize),
      plan(`${key}.attn_output`, hiddenSize, heads * headSize, back),
      plan(`${key}.ffn_norm`, 1, hiddenSize),
      plan(`${key}.ffn_gate`, intermediateSize, hiddenSize),
      plan(`${key}.ffn_up`, intermediateSize, hiddenSize),
      plan(`${key}.ffn_down`, hiddenSize, intermediateSize, back),
    );
  }
  return [...plans, plan('output_norm', 1, hiddenSize)];
}

/** @param {import('./shapes.mjs').Shape} shape @param {string} name @param {'Q4_0' | 'Q8_0'} type @returns {[string, Buffer][]} */
function metadata(shape, name, type) {
  const tokens = vocabulary(shape.vocabularySize);
  const CONTROL = 3;
  const fileTypes = { Q4_0: 2, Q8_0: 7 };
  return [
    ['general.architecture', value.text('llama')],
    ['general.name', value.text(name)],
    ['general.file_type', value.whole(fileTypes[type])],
    ['general.quantization_version', value.whole(2)],
    ['llama.block_count', value.whole(shape.layers)],
    ['llama.context_length', value.whole(shape.contextLength)],
    ['llama.embedding_length', value.whole(shape.hiddenSize)],
    ['llama.feed_forward_length', value.whole(shape.intermediateSize)],
    ['llama.attention.head_count', value.whole(shape.heads)],
    ['llama.attention.head_count_kv', value.whole(shape.kvHeads)],
    ['llama.attention.layer_norm_rms_epsilon', value.real(1e-5)],
    ['llama.rope.dimension_count', value.whole(shape.headSize)],
    ['llama.rope.freq_base', value.real(shape.ropeTheta)],
    ['llama.vocab_size', value.whole(shape.vocabularySize)],
    ['tokenizer.ggml.model', value.text('gpt2')],
    ['tokenizer.ggml.pre', value.text('smollm')],
    ['tokenizer.ggml.tokens', value.texts(tokens)],
    ['tokenizer.ggml.token_type', value.wholes(tokens.map((token) => (token.startsWith('<|') ? CONTROL : 1)))],
    ['tokenizer.ggml.merges', value.texts(['h e'])],
    ['tokenizer.ggml.bos_token_id', value.whole(257)],
    ['tokenizer.ggml.eos_token_id', value.whole(257)],
    ['tokenizer.ggml.add_bos_token', value.flag(false)],
  ];
}

/** GPT-2's byte alphabet, the merge, the end, and names that no text holds. @param {number} size */
function vocabulary(size) {
  const isPlain = (/** @type {number} */ byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPlain(byte) ? byte : next++));
  const filler = Array.from({ length: size - 258 }, (_, i) => `~${i}~`);
  return [...bytes, 'he', '<|end|>', ...filler];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      shape: { type: 'string', default: '1b' },
      type: { type: 'string', default: 'Q4_0' },
      seed: { type: 'string', default: '1' },
    },
  });
  const [path] = positionals;
  const seed = Number(values.seed);
  if (path === undefined || !Number.isSafeInteger(seed) || seed < 0) {
    console.error('node tools/models/random-gguf.mjs OUT.gguf [--shape 1b|30m|tiny] [--type Q4_0|Q8_0] [--seed 1]');
    process.exit(2);
  }
  const bytes = await writeRandomGguf(path, { shape: values.shape, type: /** @type {'Q4_0' | 'Q8_0'} */ (values.type), seed });
  console.error(`${path}: ${(bytes / 1e6).toFixed(0)} MB`);
}
