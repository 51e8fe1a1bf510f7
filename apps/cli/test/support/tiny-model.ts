import { writeFileSync } from 'node:fs';
import { randomScore } from '@gateskip/gate';
import { type ModelConfig, quantize, tensorShapes } from '@gateskip/model';
import {
  boolValue,
  floatValue,
  type GgufParts,
  type GgufTensor,
  ggufBytes,
  intsValue,
  stringsValue,
  stringValue,
  uintValue,
} from './gguf-bytes.js';

/** GPT-2's byte alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 onwards. */
const isPlain = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
let nextCode = 256;
const byteCharacters = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPlain(byte) ? byte : nextCode++));
const tokens: readonly string[] = [...byteCharacters, 'he', 'll', 'hell', 'hello', '<|end|>', '<|turn|>'];

const template =
  '{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}';

export const tinyContext = 512;

const config = {
  layers: 5,
  hiddenSize: 32,
  heads: 4,
  kvHeads: 2,
  headSize: 8,
  intermediateSize: 64,
  vocabularySize: tokens.length,
  tiedEmbeddings: true,
} as ModelConfig;

const ggufNames: Readonly<Record<string, string>> = {
  tokenEmbedding: 'token_embd',
  outputNorm: 'output_norm',
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

export interface TinyOptions {
  /** Other seeds are other models of the same shape. */
  readonly seed?: number;
  readonly contextLength?: number;
  readonly chatTemplate?: boolean;
  /** Value put into one weight of the first MLP. */
  readonly poison?: number;
  readonly parts?: Partial<GgufParts>;
  /** Changes the encoded keys. */
  readonly values?: (values: (readonly [string, Uint8Array])[]) => (readonly [string, Uint8Array])[];
  readonly tensors?: (tensors: GgufTensor[]) => GgufTensor[];
}

/** A whole Llama in 200 kB as GGUF: byte tokens, random weights, a chat template. */
export function tinyModelBytes(options: TinyOptions = {}): Buffer {
  const { seed = 1, contextLength = tinyContext, chatTemplate = true } = options;
  const values: (readonly [string, Uint8Array])[] = [
    ['general.architecture', stringValue('llama')],
    ['general.name', stringValue('tiny')],
    ['llama.block_count', uintValue(config.layers)],
    ['llama.embedding_length', uintValue(config.hiddenSize)],
    ['llama.attention.head_count', uintValue(config.heads)],
    ['llama.attention.head_count_kv', uintValue(config.kvHeads)],
    ['llama.feed_forward_length', uintValue(config.intermediateSize)],
    ['llama.context_length', uintValue(contextLength)],
    ['llama.attention.layer_norm_rms_epsilon', floatValue(2 ** -17)],
    ['tokenizer.ggml.model', stringValue('gpt2')],
    ['tokenizer.ggml.pre', stringValue('smollm')],
    ['tokenizer.ggml.tokens', stringsValue(tokens)],
    ['tokenizer.ggml.token_type', intsValue(tokens.map((token) => (token.startsWith('<|') ? 3 : 1)))],
    ['tokenizer.ggml.merges', stringsValue(['h e', 'l l', 'he ll', 'hell o'])],
    ['tokenizer.ggml.eos_token_id', uintValue(tokens.indexOf('<|end|>'))],
    ['tokenizer.ggml.bos_token_id', uintValue(tokens.indexOf('<|turn|>'))],
    ['tokenizer.ggml.add_bos_token', boolValue(false)],
    ...(chatTemplate ? [['tokenizer.chat_template', stringValue(template)] as const] : []),
  ];
  const tensors = [...tensorShapes(config)].map(([name, [rows, columns]], index): GgufTensor => {
    const layer = /^layers\.(\d+)\.(\w+)$/.exec(name);
    const weights = Float32Array.from({ length: rows * columns }, (_, i) => {
      const uniform = randomScore(seed, i, index);
      return rows === 1 ? 0.8 + 0.4 * uniform : (uniform - 0.5) * (name === 'tokenEmbedding' ? 3 : 3.4 / Math.sqrt(columns));
    });
    if (options.poison !== undefined && name === 'layers.0.mlpGate') weights[5] = options.poison;
    return {
      name: `${layer ? `blk.${layer[1]}.` : ''}${ggufNames[layer?.[2] ?? name]}.weight`,
      sizes: rows === 1 ? [columns] : [columns, rows],
      type: 0,
      bytes: quantize('F32', weights),
    };
  });
  return ggufBytes({
    values: options.values ? options.values(values) : values,
    tensors: options.tensors ? options.tensors(tensors) : tensors,
    ...options.parts,
  });
}

export function writeTinyModel(path: string, options: TinyOptions = {}): string {
  writeFileSync(path, tinyModelBytes(options));
  return path;
}
