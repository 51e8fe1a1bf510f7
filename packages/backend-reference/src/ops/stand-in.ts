import type { StandInMap } from '@gateskip/gate';

/**
 * What a skipping row gets: `c + up (down x)`.
 *
 * @param standIn c [d]
 * @param normed x [d], the branch's normed input; read where there is a map
 * @returns a new array [d]
 */
export function standInOf(standIn: Float32Array, map: StandInMap | undefined, normed: Float64Array): Float64Array {
  const added = Float64Array.from(standIn);
  if (map === undefined) return added;
  const d = added.length;
  const rank = map.down.length / d;
  const inner = new Float64Array(rank);
  for (let k = 0; k < rank; k++) {
    for (let i = 0; i < d; i++) inner[k]! += map.down[k * d + i]! * normed[i]!;
  }
  for (let i = 0; i < d; i++) {
    for (let k = 0; k < rank; k++) added[i]! += map.up[i * rank + k]! * inner[k]!;
  }
  return added;
}
