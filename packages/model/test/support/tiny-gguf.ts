import { randomScore } from '@gateskip/gate';
import { quantize, type TensorType, tensorShapes } from '../../src/index.js';
import type { ModelConfig } from '../../src/model-config.js';
import { byteToCharacter } from '../../src/tokenizer/byte-alphabet.js';
import { buildGguf, float, type GgufParts, ints, string, strings, type Tensor, uint, type Value } from './gguf-bytes.js';

/** A whole Llama in 100 kB: byte tokens, a few merges, two special tokens. */
export const tinyTokens: readonly string[] = [...byteToCharacter, 'he', 'll', 'hell', 'hello', 'Ġw', '<|end|>', '<|turn|>', '<tool>'];
export const tinyMerges: readonly string[] = ['h e', 'l l', 'he ll', 'hell o', 'Ġ w'];

export const tinyConfig: ModelConfig = {
  architecture: 'llama',
  name: 'tiny',
  layers: 2,
  hiddenSize: 32,
  heads: 4,
  kvHeads: 2,
  headSize: 8,
  intermediateSize: 64,
  vocabularySize: tinyTokens.length,
  contextLength: 128,
  rmsNormEpsilon: 2 ** -17,
  ropeTheta: 10000,
  ropeLayout: 'interleaved',
  ropeSize: 8,
  tiedEmbeddings: true,
};

export const tinyValues: readonly (readonly [string, Value])[] = [
  ['general.architecture', string('llama')],
  ['general.name', string('tiny')],
  ['llama.block_count', uint(2)],
  ['llama.embedding_length', uint(32)],
  ['llama.attention.head_count', uint(4)],
  ['llama.attention.head_count_kv', uint(2)],
  ['llama.feed_forward_length', uint(64)],
  ['llama.context_length', uint(128)],
  ['llama.attention.layer_norm_rms_epsilon', float(2 ** -17)],
  ['tokenizer.ggml.model', string('gpt2')],
  ['tokenizer.ggml.pre', string('smollm')],
  ['tokenizer.ggml.tokens', strings(tinyTokens)],
  ['tokenizer.ggml.token_type', ints(tinyTokens.map((token) => (token.startsWith('<|') ? 3 : token === '<tool>' ? 4 : 1)))],
  ['tokenizer.ggml.merges', strings(tinyMerges)],
  ['tokenizer.ggml.eos_token_id', uint(tinyTokens.indexOf('<|end|>'))],
  ['tokenizer.ggml.bos_token_id', uint(tinyTokens.indexOf('<|turn|>'))],
  ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
  [
    'tokenizer.chat_template',
    string(
      '{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}',
    ),
  ],
];

const ggufNames: Readonly<Record<string, string>> = {
  tokenEmbedding: 'token_embd',
  outputNorm: 'output_norm',
  output: 'output',
  attentionNorm: 'attn_norm',
  query: 'attn_q',
  key: 'attn_k',
  value: 'attn_v',
  attentionOutput: 'attn_output',
  mlpNorm: 'ffn_norm',
  mlpGate: 'ffn_gate',
  mlpUp: 'ffn_up',
  mlpDown: 'ffn_down',
};
const typeNumbers: Readonly<Record<TensorType, number>> = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 8, BF16: 30 };

/** Seeded values of a tensor, the same for every way of storing them. */
export const tinyWeights = (name: string, count: number): Float32Array => {
  const seed = [...name].reduce((sum, c) => (Math.imul(sum, 31) + c.charCodeAt(0)) >>> 0, 7);
  return Float32Array.from({ length: count }, (_, i) => randomScore(seed, i, 0) - 0.5);
};

export function tinyTensors(type: TensorType = 'F32', config: ModelConfig = tinyConfig): Tensor[] {
  return [...tensorShapes(config)].map(([name, [rows, columns]]) => {
    const isVector = rows === 1;
    const stored = isVector ? 'F32' : type;
    const layer = /^layers\.(\d+)\.(\w+)$/.exec(name);
    const base = ggufNames[layer?.[2] ?? name] as string;
    return {
      name: `${layer ? `blk.${layer[1]}.` : ''}${base}.weight`,
      sizes: isVector ? [columns] : [columns, rows],
      type: typeNumbers[stored],
      bytes: quantize(stored, tinyWeights(name, rows * columns)),
    };
  });
}

/** The tiny model with some keys replaced or (undefined) left out, and some tensors changed. */
export function tinyGguf(
  changes: {
    values?: Readonly<Record<string, Value | undefined>>;
    tensors?: (tensors: Tensor[]) => Tensor[];
    type?: TensorType;
    parts?: Partial<GgufParts>;
  } = {},
): Buffer {
  const replaced = changes.values ?? {};
  const values = tinyValues.flatMap(([key, value]): (readonly [string, Value])[] => {
    if (!Object.hasOwn(replaced, key)) return [[key, value]];
    const other = replaced[key];
    return other ? [[key, other]] : [];
  });
  for (const [key, value] of Object.entries(replaced)) if (value && !tinyValues.some(([known]) => known === key)) values.push([key, value]);
  const tensors = tinyTensors(changes.type);
  return buildGguf({ values, tensors: changes.tensors ? changes.tensors(tensors) : tensors, ...changes.parts });
}
