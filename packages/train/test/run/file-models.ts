import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRandomModel, type Model, openModel, type SafetensorsTensor, writeSafetensors } from '@gateskip/model';

/** A GGUF file of random 4-bit weights: two layers of width 64, tied embeddings. */
export async function ggufModel(folder: string): Promise<Model> {
  const path = join(folder, 'random.gguf');
  const program = fileURLToPath(new URL('../../../../tools/models/random-gguf.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [program, path, '--shape', 'tiny'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return openModel(path);
}

const names: Readonly<Record<string, string>> = {
  tokenEmbedding: 'model.embed_tokens',
  outputNorm: 'model.norm',
  output: 'lm_head',
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

/** A safetensors folder of random weights: two layers of width 16, an output head of its own. */
export async function checkpointModel(folder: string): Promise<Model> {
  const path = join(folder, 'checkpoint');
  mkdirSync(path);
  const { config, tensors, read } = createRandomModel({
    seed: 3,
    config: { layers: 2, hiddenSize: 16, heads: 2, kvHeads: 1, headSize: 8, intermediateSize: 24, vocabularySize: 48 },
  });
  const stored = new Map<string, SafetensorsTensor>();
  for (const { name, rows, columns } of tensors.values()) {
    const layer = /^layers\.(\d+)\.(\w+)$/.exec(name);
    const sourceName = `${layer ? `model.layers.${layer[1]}.` : ''}${names[layer?.[2] ?? name]}.weight`;
    stored.set(sourceName, { type: 'F32', shape: rows === 1 ? [columns] : [rows, columns], bytes: await read(name) });
  }
  await writeSafetensors(join(path, 'model.safetensors'), stored);
  const json = {
    model_type: 'llama',
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    intermediate_size: config.intermediateSize,
    vocab_size: config.vocabularySize,
    max_position_embeddings: config.contextLength,
    rms_norm_eps: config.rmsNormEpsilon,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: false,
  };
  writeFileSync(join(path, 'config.json'), JSON.stringify(json));
  return openModel(path);
}
