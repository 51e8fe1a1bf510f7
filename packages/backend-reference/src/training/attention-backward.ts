import type { ModelConfig } from '@gateskip/model';
import type { KeyValue } from './key-values.js';

/**
 * `attend` backwards for one row. With a_j the softmax of s_j = q · k_j / sqrt(headSize), computed again here, and
 * g_j = dOut · v_j: `ds_j = a_j (g_j - sum_i a_i g_i)`, `dq += ds_j k_j / sqrt(headSize)`, `dk_j += ds_j q / sqrt(headSize)`,
 * `dv_j += a_j dOut`. Query heads that share a K/V head add to the same gradients.
 *
 * @param query [heads * headSize], rotated
 * @param dOut [heads * headSize]
 * @returns dq [heads * headSize], still rotated
 */
export function attendBackward(query: Float64Array, visible: readonly KeyValue[], dOut: Float64Array, config: ModelConfig): Float64Array {
  const { heads, kvHeads, headSize } = config;
  const dQuery = new Float64Array(query.length);
  const weights = new Float64Array(visible.length);
  const slopes = new Float64Array(visible.length);
  const scale = 1 / Math.sqrt(headSize);
  for (let head = 0; head < heads; head++) {
    const base = head * headSize;
    const kvBase = Math.floor((head * kvHeads) / heads) * headSize;
    softmaxWeights(query, base, visible, kvBase, headSize, scale, weights);
    let mean = 0;
    for (let j = 0; j < visible.length; j++) {
      const { value, dValue } = visible[j]!;
      let slope = 0;
      for (let i = 0; i < headSize; i++) {
        slope += dOut[base + i]! * value[kvBase + i]!;
        dValue[kvBase + i]! += weights[j]! * dOut[base + i]!;
      }
      slopes[j] = slope;
      mean += weights[j]! * slope;
    }
    for (let j = 0; j < visible.length; j++) {
      const { key, dKey } = visible[j]!;
      const dScore = weights[j]! * (slopes[j]! - mean) * scale;
      for (let i = 0; i < headSize; i++) {
        dQuery[base + i]! += dScore * key[kvBase + i]!;
        dKey[kvBase + i]! += dScore * query[base + i]!;
      }
    }
  }
  return dQuery;
}

function softmaxWeights(
  query: Float64Array,
  base: number,
  visible: readonly KeyValue[],
  kvBase: number,
  headSize: number,
  scale: number,
  weights: Float64Array,
): void {
  let highest = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < visible.length; j++) {
    const { key } = visible[j]!;
    let dot = 0;
    for (let i = 0; i < headSize; i++) dot += query[base + i]! * key[kvBase + i]!;
    weights[j] = dot * scale;
    if (weights[j]! > highest) highest = weights[j]!;
  }
  let total = 0;
  for (let j = 0; j < visible.length; j++) {
    weights[j] = Math.exp(weights[j]! - highest);
    total += weights[j]!;
  }
  for (let j = 0; j < visible.length; j++) weights[j]! /= total;
}
