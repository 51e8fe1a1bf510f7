import { setImmediate } from 'node:timers/promises';
import { AbortedError } from '@gateskip/errors';
import { dequantize, type LoraChanges, type LoraFactors, layerMatrices, type Model, quantize, type TensorInfo } from '@gateskip/model';

/**
 * The model with low-rank additions written into its matrices, each in the type that it has in the file: no work beside
 * the matrices, but what an addition changes is rounded as they are. Reads and rounds one matrix at a time.
 *
 * @throws AbortedError, InvalidArgumentError where a type cannot hold the sum
 */
export async function withMergedLora<M extends Pick<Model, 'tensors' | 'read'>>(
  model: M,
  { rank, alpha, layers }: LoraChanges,
  options: { readonly signal?: AbortSignal | undefined; readonly onProgress?: ((share: number) => void) | undefined } = {},
): Promise<M> {
  const tensors = new Map(model.tensors);
  for (const [layer, factors] of layers.entries()) {
    for (const matrix of layerMatrices) {
      const own = factors[matrix];
      if (own === undefined) continue;
      if (options.signal?.aborted) throw new AbortedError('Loading');
      const name = `layers.${layer}.${matrix}`;
      const info = tensors.get(name) as TensorInfo;
      const values = dequantize(info.type, await model.read(name), info.rows * info.columns);
      addProduct(values, own, rank, alpha / rank);
      tensors.set(name, { ...info, data: { kind: 'memory', bytes: quantize(info.type, values) } });
      await setImmediate();
    }
    options.onProgress?.((layer + 1) / layers.length);
  }
  return { ...model, tensors };
}

/** weight [rows, columns] += scale up down */
function addProduct(weight: Float32Array, { down, up }: LoraFactors, rank: number, scale: number): void {
  const columns = down.length / rank;
  const sums = new Float64Array(columns);
  for (let row = 0; row * columns < weight.length; row++) {
    sums.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * up[row * rank + k]!;
      for (let column = 0; column < columns; column++) sums[column]! += factor * down[k * columns + column]!;
    }
    for (let column = 0; column < columns; column++) weight[row * columns + column]! += sums[column]!;
  }
}
