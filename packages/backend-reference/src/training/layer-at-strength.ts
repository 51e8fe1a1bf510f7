import type { TrainingLayer } from './training-model.js';

/** The same layer with a share of its low-rank additions; arrays and gradients are shared. */
export function layerAtStrength(layer: TrainingLayer, strength: number): TrainingLayer {
  return {
    ...layer,
    query: layer.query.atStrength(strength),
    key: layer.key.atStrength(strength),
    value: layer.value.atStrength(strength),
    attentionOutput: layer.attentionOutput.atStrength(strength),
    mlpGate: layer.mlpGate.atStrength(strength),
    mlpUp: layer.mlpUp.atStrength(strength),
    mlpDown: layer.mlpDown.atStrength(strength),
  };
}
