import { AbortedError } from '@gateskip/errors';
import { dequantize, type Model } from '@gateskip/model';

/** Weights of one layer, dequantised: matrices [outputs, inputs]. */
export interface LayerWeights {
  readonly attentionNorm: Float32Array;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly attentionOutput: Float32Array;
  readonly mlpNorm: Float32Array;
  readonly mlpGate: Float32Array;
  readonly mlpUp: Float32Array;
  readonly mlpDown: Float32Array;
}

export interface Weights {
  readonly tokenEmbedding: Float32Array;
  readonly layers: readonly LayerWeights[];
  readonly outputNorm: Float32Array;
  /** The token embedding itself where the model ties them. */
  readonly output: Float32Array;
}

export async function readWeights(model: Model, onProgress?: (share: number) => void, signal?: AbortSignal): Promise<Weights> {
  const read = new Map<string, Float32Array>();
  for (const [name, info] of model.tensors) {
    if (signal?.aborted) throw new AbortedError('Loading the model');
    read.set(name, dequantize(info.type, await model.read(name), info.rows * info.columns));
    onProgress?.(read.size / model.tensors.size);
  }
  const get = (name: string) => read.get(name)!;
  const layers = Array.from({ length: model.config.layers }, (_, layer) => {
    const part = (name: keyof LayerWeights) => get(`layers.${layer}.${name}`);
    return {
      attentionNorm: part('attentionNorm'),
      query: part('query'),
      key: part('key'),
      value: part('value'),
      attentionOutput: part('attentionOutput'),
      mlpNorm: part('mlpNorm'),
      mlpGate: part('mlpGate'),
      mlpUp: part('mlpUp'),
      mlpDown: part('mlpDown'),
    };
  });
  const tokenEmbedding = get('tokenEmbedding');
  return { tokenEmbedding, layers, outputNorm: get('outputNorm'), output: model.config.tiedEmbeddings ? tokenEmbedding : get('output') };
}
