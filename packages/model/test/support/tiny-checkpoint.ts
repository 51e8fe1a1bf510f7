import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SafetensorsTensor, tensorShapes, writeSafetensors } from '../../src/index.js';
import { tinyConfig, tinyMerges, tinyTokens, tinyWeights } from './tiny-gguf.js';

const names: Readonly<Record<string, string>> = {
  tokenEmbedding: 'model.embed_tokens',
  outputNorm: 'model.norm',
  attentionNorm: 'input_layernorm',
  query: 'self_attn.q_proj',
  key: 'self_attn.k_proj',
  value: 'self_attn.v_proj',
  attentionOutput: 'self_attn.o_proj',
  mlpNorm: 'post_attention_layernorm',
  mlpGate: 'mlp.gate_proj',
  mlpUp: 'mlp.up_proj',
  mlpDown: 'mlp.down_proj',
};

export function checkpointTensors(): Map<string, SafetensorsTensor> {
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, [rows, columns]] of tensorShapes(tinyConfig)) {
    const layer = /^layers\.(\d+)\.(\w+)$/.exec(name);
    const sourceName = `${layer ? `model.layers.${layer[1]}.` : ''}${names[layer?.[2] ?? name]}.weight`;
    const values = tinyWeights(name, rows * columns);
    tensors.set(sourceName, { type: 'F32', shape: rows === 1 ? [columns] : [rows, columns], bytes: new Uint8Array(values.buffer) });
  }
  return tensors;
}

export const checkpointConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 64,
  vocab_size: tinyTokens.length,
  max_position_embeddings: 128,
  rms_norm_eps: 2 ** -17,
  rope_theta: 10000,
  tie_word_embeddings: true,
  eos_token_id: tinyTokens.indexOf('<|end|>'),
};

export const checkpointTokenizer = {
  added_tokens: tinyTokens.flatMap((content, id) =>
    content.startsWith('<') && content.length > 1
      ? [{ id, content, special: content.startsWith('<|'), lstrip: false, rstrip: false, single_word: false, normalized: false }]
      : [],
  ),
  normalizer: null,
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Digits', individual_digits: true },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    ],
  },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: {
    type: 'BPE',
    vocab: Object.fromEntries(tinyTokens.map((token, id) => [token, id])),
    merges: tinyMerges,
    unk_token: null,
    byte_fallback: false,
    ignore_merges: false,
  },
};

/** Writes the tiny model as Hugging Face lays it out; with `shards`, in two files and an index. */
export async function writeCheckpoint(
  folder: string,
  options: { shards?: boolean; config?: object; tokenizer?: object; tensors?: Map<string, SafetensorsTensor> } = {},
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...checkpointConfig, ...options.config }));
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...checkpointTokenizer, ...options.tokenizer }));
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({
      bos_token: '<|turn|>',
      eos_token: { content: '<|end|>' },
      chat_template: [{ name: 'default', template: '{{ messages[0].content }}' }],
    }),
  );
  const tensors = options.tensors ?? checkpointTensors();
  if (!options.shards) await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
  else {
    const all = [...tensors];
    const [first, second] = [all.slice(0, 5), all.slice(5)];
    await writeSafetensors(join(folder, 'model-1.safetensors'), new Map(first));
    await writeSafetensors(join(folder, 'model-2.safetensors'), new Map(second));
    const map = Object.fromEntries(all.map(([name], i) => [name, i < 5 ? 'model-1.safetensors' : 'model-2.safetensors']));
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
  }
  return folder;
}
