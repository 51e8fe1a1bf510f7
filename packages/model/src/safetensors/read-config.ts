import { InvalidModelError, printable, UnsupportedModelError } from '../errors.js';
import type { ModelConfig, RopeScaling } from '../model-config.js';

type Json = Readonly<Record<string, unknown>>;

/** Maps the `config.json` of a Llama checkpoint. Anything that would change the computation and is not run is refused. */
export function readHuggingFaceConfig(path: string, json: Json, name: string): ModelConfig {
  const refuse = (what: string): never => {
    throw new UnsupportedModelError(`${printable(path)} ${what}, which is not implemented.`);
  };
  if (json.model_type !== 'llama') refuse(`holds the architecture "${printable(String(json.model_type))}" (only "llama" is run)`);
  const architectures = json.architectures;
  if (Array.isArray(architectures) && !architectures.includes('LlamaForCausalLM')) refuse(`is a "${printable(String(architectures[0]))}"`);
  if ((json.hidden_act ?? 'silu') !== 'silu') refuse(`uses the activation "${printable(String(json.hidden_act))}"`);
  for (const key of ['attention_bias', 'mlp_bias', 'quantization_config', 'sliding_window']) {
    if (json[key] !== undefined && json[key] !== null && json[key] !== false) refuse(`sets "${key}"`);
  }
  if ((json.partial_rotary_factor ?? 1) !== 1) refuse('rotates a part of each head');

  const number = (key: string, from: Json = json, fallback?: number): number => {
    const value = from[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
      throw new InvalidModelError(path, `"${key}" is ${printable(String(value))}; a positive number is needed.`);
    }
    return value;
  };
  const size = (key: string, fallback?: number, limit = 1 << 24): number => {
    const value = number(key, json, fallback);
    if (!Number.isInteger(value) || value > limit)
      throw new InvalidModelError(path, `"${key}" is ${value}; a whole number from 1 to ${limit} is needed.`);
    return value;
  };
  const hiddenSize = size('hidden_size');
  const heads = size('num_attention_heads', undefined, 65536);
  const kvHeads = size('num_key_value_heads', heads, 65536);
  const headSize = size('head_dim', hiddenSize / heads, 65536);
  if (heads % kvHeads !== 0) throw new InvalidModelError(path, `${heads} heads cannot share ${kvHeads} K/V heads evenly.`);
  if (headSize % 2 !== 0) throw new InvalidModelError(path, `heads of ${headSize} cannot rotate in pairs.`);
  const rope = (json.rope_parameters ?? json.rope_scaling ?? {}) as Json;
  const ropeScaling = readScaling(rope, number, refuse);
  return {
    architecture: 'llama',
    name,
    layers: size('num_hidden_layers', undefined, 4096),
    hiddenSize,
    heads,
    kvHeads,
    headSize,
    intermediateSize: size('intermediate_size'),
    vocabularySize: size('vocab_size'),
    contextLength: size('max_position_embeddings'),
    rmsNormEpsilon: number('rms_norm_eps'),
    ropeTheta: number('rope_theta', rope.rope_theta === undefined ? json : rope, 10000),
    ropeLayout: 'half',
    ropeSize: headSize,
    ...(ropeScaling ? { ropeScaling } : {}),
    tiedEmbeddings: json.tie_word_embeddings === true,
  };
}

function readScaling(
  rope: Json,
  number: (key: string, from: Json, fallback?: number) => number,
  refuse: (what: string) => never,
): RopeScaling | undefined {
  const kind = rope.rope_type ?? rope.type ?? 'default';
  if (kind === 'default') return undefined;
  if (kind === 'linear') return { kind, factor: number('factor', rope) };
  if (kind !== 'llama3') return refuse(`scales rotary positions by "${printable(String(kind))}"`);
  return {
    kind,
    factor: number('factor', rope),
    lowFrequencyFactor: number('low_freq_factor', rope),
    highFrequencyFactor: number('high_freq_factor', rope),
    originalContextLength: number('original_max_position_embeddings', rope),
  };
}
