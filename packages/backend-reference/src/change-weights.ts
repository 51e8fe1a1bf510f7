import { type BackboneChanges, type LayerMatrix, layerMatrices } from '@gateskip/model';
import type { ProjectionWeights } from './ops/project.js';
import type { Weights } from './weights.js';

/** One layer as a step runs it: norms [d] and matrices with their low-rank additions. */
export interface LayerRun extends Readonly<Record<LayerMatrix, ProjectionWeights>> {
  readonly attentionNorm: Float32Array;
  readonly mlpNorm: Float32Array;
}

/** All weights as a step runs them. */
export interface RunWeights extends Omit<Weights, 'layers'> {
  readonly layers: readonly LayerRun[];
}

/** The model's weights with what an adapter, checked before, changes in them. */
export function changeWeights(weights: Weights, { lora, norms }: BackboneChanges = {}): RunWeights {
  const layers = weights.layers.map((layer, index) => {
    const projections = layerMatrices.map((matrix): [LayerMatrix, ProjectionWeights] => {
      const factors = lora?.layers[index]?.[matrix];
      const low = lora && factors && { ...factors, rank: lora.rank, scale: lora.alpha / lora.rank };
      return [matrix, { weight: layer[matrix], ...(low && { low }) }];
    });
    return {
      ...(Object.fromEntries(projections) as Record<LayerMatrix, ProjectionWeights>),
      attentionNorm: norms?.get(`layers.${index}.attentionNorm`) ?? layer.attentionNorm,
      mlpNorm: norms?.get(`layers.${index}.mlpNorm`) ?? layer.mlpNorm,
    };
  });
  return { ...weights, layers, outputNorm: norms?.get('outputNorm') ?? weights.outputNorm };
}
