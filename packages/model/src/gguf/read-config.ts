import { InvalidModelError, printable, UnsupportedModelError } from '../errors.js';
import type { ModelConfig, RopeScaling } from '../model-config.js';
import type { GgufHeader, GgufValues } from './read-header.js';

/** Keys that change what the model computes and that are not implemented: refused unless zero, false or absent. */
const unsupportedKeys = [
  'llama.expert_count',
  'llama.attention.sliding_window',
  'llama.attention.clamp_kqv',
  'llama.attention.max_alibi_bias',
  'llama.attention.scale',
  'llama.logit_scale',
  'llama.residual_scale',
  'llama.embedding_scale',
  'llama.final_logit_softcapping',
  'llama.attn_logit_softcapping',
  'llama.use_parallel_residual',
];

/** Maps the metadata of a Llama GGUF to a config. Shapes are checked later, against the tensors. */
export function readGgufConfig(path: string, header: GgufHeader, vocabularySize: number): ModelConfig {
  const values = header.values;
  const architecture = values.get('general.architecture');
  if (architecture !== 'llama') {
    throw new UnsupportedModelError(`${printable(path)} holds the architecture "${printable(String(architecture))}"; only "llama" is run.`);
  }
  for (const key of unsupportedKeys) {
    const value = values.get(key);
    if (value !== undefined && value !== 0 && value !== false) {
      throw new UnsupportedModelError(`${printable(path)} sets "${key}" to ${printable(String(value))}, which is not implemented.`);
    }
  }
  if (values.get('llama.attention.causal') === false) throw new UnsupportedModelError(`${printable(path)} is not a causal model.`);

  const size = (key: string, fallback?: number, limit = 1 << 24): number => readSize(path, values, key, fallback, limit);
  const hiddenSize = size('llama.embedding_length');
  const heads = size('llama.attention.head_count', undefined, 65536);
  const headSize = size('llama.attention.key_length', hiddenSize / heads, 65536);
  const valueLength = size('llama.attention.value_length', headSize, 65536);
  if (valueLength !== headSize) throw new UnsupportedModelError(`Keys are ${headSize} wide and values ${valueLength}; they must be equal.`);
  const kvHeads = size('llama.attention.head_count_kv', heads, 65536);
  if (heads % kvHeads !== 0) throw new InvalidModelError(path, `${heads} heads cannot share ${kvHeads} K/V heads evenly.`);
  const ropeSize = size('llama.rope.dimension_count', headSize, 65536);
  if (ropeSize % 2 !== 0 || ropeSize > headSize)
    throw new InvalidModelError(path, `rotary size ${ropeSize} does not fit heads of ${headSize}.`);
  const stated = size('llama.vocab_size', vocabularySize);
  if (stated !== vocabularySize) throw new InvalidModelError(path, `it states ${stated} tokens and lists ${vocabularySize}.`);
  const ropeScaling = readScaling(path, values);
  return {
    architecture: 'llama',
    name: String(values.get('general.name') ?? values.get('general.basename') ?? 'unnamed'),
    layers: size('llama.block_count', undefined, 4096),
    hiddenSize,
    heads,
    kvHeads,
    headSize,
    intermediateSize: size('llama.feed_forward_length'),
    vocabularySize,
    contextLength: size('llama.context_length'),
    rmsNormEpsilon: readPositive(path, values, 'llama.attention.layer_norm_rms_epsilon'),
    ropeTheta: readPositive(path, values, 'llama.rope.freq_base', 10000),
    ropeLayout: 'interleaved',
    ropeSize,
    ...(ropeScaling ? { ropeScaling } : {}),
    tiedEmbeddings: !header.tensors.some((tensor) => tensor.name === 'output.weight'),
  };
}

function readSize(path: string, values: GgufValues, key: string, fallback: number | undefined, limit: number): number {
  const value = values.get(key) ?? fallback;
  if (Array.isArray(value)) throw new UnsupportedModelError(`${printable(path)} gives "${key}" per layer, which is not implemented.`);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > limit) {
    throw new InvalidModelError(path, `"${key}" is ${printable(String(value))}; a whole number from 1 to ${limit} is needed.`);
  }
  return value;
}

function readPositive(path: string, values: GgufValues, key: string, fallback?: number): number {
  const value = values.get(key) ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidModelError(path, `"${key}" is ${printable(String(value))}; a positive number is needed.`);
  }
  return value;
}

function readScaling(path: string, values: GgufValues): RopeScaling | undefined {
  const type = values.get('llama.rope.scaling.type') ?? (values.has('llama.rope.scale_linear') ? 'linear' : 'none');
  if (type === 'none') return undefined;
  if (type !== 'linear')
    throw new UnsupportedModelError(
      `${printable(path)} scales rotary positions by "${printable(String(type))}", which is not implemented.`,
    );
  const key = values.has('llama.rope.scaling.factor') ? 'llama.rope.scaling.factor' : 'llama.rope.scale_linear';
  const factor = readPositive(path, values, key);
  return factor === 1 ? undefined : { kind: 'linear', factor };
}
