import type { ModelConfig } from '@gateskip/model';
import type { KvRow } from '../kv-pool.js';

/**
 * Softmax attention of one row: query [heads * headSize], already rotated, over the K/V rows that it sees (its own
 * last). Several query heads share one K/V head. Result: [heads * headSize].
 */
export function attend(query: Float64Array, visible: readonly Pick<KvRow, 'key' | 'value'>[], config: ModelConfig): Float64Array {
  const { heads, kvHeads, headSize } = config;
  const out = new Float64Array(heads * headSize);
  const weights = new Float64Array(visible.length);
  const scale = 1 / Math.sqrt(headSize);
  for (let head = 0; head < heads; head++) {
    const base = head * headSize;
    const kvBase = Math.floor((head * kvHeads) / heads) * headSize;
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
    for (let j = 0; j < visible.length; j++) {
      const { value } = visible[j]!;
      const weight = weights[j]! / total;
      for (let i = 0; i < headSize; i++) out[base + i]! += weight * value[kvBase + i]!;
    }
  }
  return out;
}
