import type { BackboneChange } from '@gateskip/backend';
import { type BackboneChanges, type LoraChanges, layerMatrices, type Model, type TensorInfo } from '@gateskip/model';

/** Changes in the model that adapters may bring. */
export const BACKBONE_CHANGES: readonly BackboneChange[] = ['lora', 'norms'];

/** The model with an adapter's norm weights in the place of its own. */
export function withNorms<M extends Pick<Model, 'tensors'>>(model: M, norms: BackboneChanges['norms']): M {
  if (norms === undefined) return model;
  const tensors = new Map(model.tensors);
  for (const [name, values] of norms) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    tensors.set(name, { ...(tensors.get(name) as TensorInfo), type: 'F32', data: { kind: 'memory', bytes } });
  }
  return { ...model, tensors };
}

/** Low-rank additions as the addon reads them: per layer, in the order of `layerMatrices`, the factors or null. */
export function lowRankRequest({ rank, alpha, layers }: LoraChanges): object {
  const single = (values: LoraValues): Float32Array => (values instanceof Float32Array ? values : Float32Array.from(values));
  return {
    rank,
    scale: alpha / rank,
    layers: layers.map((factors) =>
      layerMatrices.map((matrix) => {
        const own = factors[matrix];
        return own === undefined ? null : { down: single(own.down), up: single(own.up) };
      }),
    ),
  };
}

type LoraValues = NonNullable<LoraChanges['layers'][number]['query']>['down'];
