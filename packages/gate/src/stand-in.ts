import { ShapeMismatchError } from '@gateskip/errors';
import { type FloatArray, zerosLike } from './float-array.js';

/**
 * What is added to the residual stream: the (gated) branch output of kept rows, the stand-in of skipped ones, or nothing
 * where there is none.
 *
 * @param branch [rows, d]; skipped rows are not read
 * @param kept [rows], 1 = the branch computed the row
 * @param standIn [d] or undefined
 * @returns [rows, d]
 */
export function applyStandIn<A extends FloatArray>(
  branch: A,
  kept: Uint8Array,
  standIn: FloatArray | undefined,
  rows: number,
  d: number,
): A {
  check(branch, kept, standIn, rows, d);
  const output = zerosLike(branch, branch.length);
  for (let row = 0; row < rows; row++) {
    if (kept[row] !== 0) output.set(branch.subarray(row * d, (row + 1) * d), row * d);
    else if (standIn !== undefined) output.set(standIn, row * d);
  }
  return output;
}

/** Exact gradients of {@link applyStandIn}: the upstream of kept rows, and the sum of it over skipped rows. */
export function applyStandInBackward<A extends FloatArray>(
  upstream: A,
  kept: Uint8Array,
  rows: number,
  d: number,
): { readonly branch: A; readonly standIn: Float64Array } {
  check(upstream, kept, undefined, rows, d);
  const branch = zerosLike(upstream, upstream.length);
  const standIn = new Float64Array(d);
  for (let row = 0; row < rows; row++) {
    const part = upstream.subarray(row * d, (row + 1) * d);
    if (kept[row] !== 0) branch.set(part, row * d);
    else for (let i = 0; i < d; i++) standIn[i]! += part[i]!;
  }
  return { branch, standIn };
}

function check(values: FloatArray, kept: Uint8Array, standIn: FloatArray | undefined, rows: number, d: number): void {
  if (values.length !== rows * d) throw new ShapeMismatchError('Rows of the branch', [rows, d], [values.length]);
  if (kept.length !== rows) throw new ShapeMismatchError('Kept flags', [rows], [kept.length]);
  if (standIn !== undefined && standIn.length !== d) throw new ShapeMismatchError('Stand-in', [d], [standIn.length]);
}
