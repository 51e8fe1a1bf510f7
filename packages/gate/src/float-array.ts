/**
 * Storage of gate math. Everything is summed in double precision whatever the storage; Float64Array makes the whole
 * path double precision, which is what finite differences need.
 */
export type FloatArray = Float32Array | Float64Array;

/** A zeroed array of the same precision as `like`. */
export function zerosLike<A extends FloatArray>(like: A, length: number): A {
  return (like instanceof Float64Array ? new Float64Array(length) : new Float32Array(length)) as A;
}
