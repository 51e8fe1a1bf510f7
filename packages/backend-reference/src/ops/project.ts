import type { FloatArray } from '@gateskip/gate';
import { linear } from './linear.js';

/** A matrix [rows, columns] and its low-rank addition: down [rank, columns], up [rows, rank]. */
export interface ProjectionWeights {
  readonly weight: Float32Array;
  readonly low?: { readonly down: FloatArray; readonly up: FloatArray; readonly rank: number; readonly scale: number };
}

/** y = W x + strength scale up (down x), one row. */
export function project({ weight, low }: ProjectionWeights, x: Float64Array, y: Float64Array, strength: number): Float64Array {
  linear(weight, x, y);
  if (low === undefined || strength === 0) return y;
  const inner = linear(low.down, x, new Float64Array(low.rank));
  const added = linear(low.up, inner, new Float64Array(y.length));
  for (let i = 0; i < y.length; i++) y[i]! += strength * low.scale * added[i]!;
  return y;
}
