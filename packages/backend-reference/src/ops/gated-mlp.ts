import type { LayerWeights } from '../weights.js';
import { linear } from './linear.js';

/** down(silu(gate x) * up x), one row [d]. */
export function gatedMlp(x: Float64Array, weights: LayerWeights, intermediateSize: number): Float64Array {
  const gate = linear(weights.mlpGate, x, new Float64Array(intermediateSize));
  const up = linear(weights.mlpUp, x, new Float64Array(intermediateSize));
  for (let i = 0; i < intermediateSize; i++) up[i]! *= gate[i]! / (1 + Math.exp(-gate[i]!));
  return linear(weights.mlpDown, up, new Float64Array(x.length));
}
