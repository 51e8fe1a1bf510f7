import { createMemoryModel, type MemoryTensor } from './memory-model.js';
import type { Model, TensorType } from './model.js';
import type { ModelConfig } from './model-config.js';
import { tensorShapes } from './tensor-names.js';

export interface RandomModelOptions {
  /** What differs from the default: 3 layers, d 64, 4 heads of 16 over 2 K/V heads, ff 96, vocabulary 128, context 256. */
  readonly config?: Partial<ModelConfig>;
  readonly seed: number;
  /** Type of all matrices; default F32. Norm weights are always F32, as in real files. */
  readonly type?: TensorType;
  /** Type by canonical tensor name, where one type for all will not do; undefined: `type`. */
  readonly types?: (name: string) => TensorType | undefined;
}

const DEFAULT_CONFIG: ModelConfig = {
  architecture: 'llama',
  name: 'random',
  layers: 3,
  hiddenSize: 64,
  heads: 4,
  kvHeads: 2,
  headSize: 16,
  intermediateSize: 96,
  vocabularySize: 128,
  contextLength: 256,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  ropeLayout: 'interleaved',
  ropeSize: 16,
  tiedEmbeddings: false,
};

/**
 * A small model of seeded random weights, for tests and benchmarks without a download. Every matrix maps unit-variance
 * inputs to unit-variance outputs, those that write to the residual stream to half of that: activations and logits
 * stay of order 1, queries and keys are made larger so that attention is not flat.
 */
export function createRandomModel(options: RandomModelOptions): Model {
  const headSize = options.config?.headSize ?? DEFAULT_CONFIG.headSize;
  const config: ModelConfig = { ...DEFAULT_CONFIG, ropeSize: headSize, ...options.config };
  const uniform = uniformSource(options.seed);
  const tensors = new Map<string, MemoryTensor>();
  for (const [name, [rows, columns]] of tensorShapes(config)) {
    const isVector = rows === 1 && /norm$/i.test(name);
    const values = new Float32Array(rows * columns);
    const spread = Math.sqrt(12) * deviation(name, columns); // width of a uniform distribution of that deviation
    for (let i = 0; i < values.length; i++) values[i] = isVector ? 0.8 + 0.4 * uniform() : (uniform() - 0.5) * spread;
    tensors.set(name, { type: isVector ? 'F32' : (options.types?.(name) ?? options.type ?? 'F32'), values });
  }
  return createMemoryModel(config, tensors);
}

function deviation(name: string, columns: number): number {
  if (name === 'tokenEmbedding') return 1;
  if (/query$|key$/.test(name)) return 1.6 / Math.sqrt(columns);
  if (/attentionOutput$/.test(name)) return 0.8 / Math.sqrt(columns);
  return 1 / Math.sqrt(columns);
}

/** Uniform in [0, 1) with 32 bits: splitmix32, good enough for weights and equal on every machine. */
function uniformSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 4294967296;
  };
}
