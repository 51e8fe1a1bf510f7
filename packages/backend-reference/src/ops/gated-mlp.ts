import type { LayerRun } from '../change-weights.js';
import { project } from './project.js';

/** down(silu(gate x) * up x), one row [d]; `strength`: share of the low-rank additions. */
export function gatedMlp(x: Float64Array, weights: LayerRun, intermediateSize: number, strength: number): Float64Array {
  const gate = project(weights.mlpGate, x, new Float64Array(intermediateSize), strength);
  const up = project(weights.mlpUp, x, new Float64Array(intermediateSize), strength);
  for (let i = 0; i < intermediateSize; i++) up[i]! *= gate[i]! / (1 + Math.exp(-gate[i]!));
  return project(weights.mlpDown, up, new Float64Array(x.length), strength);
}
