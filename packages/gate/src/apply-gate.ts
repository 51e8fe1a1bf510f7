import { ShapeMismatchError } from '@gateskip/errors';
import { type FloatArray, zerosLike } from './float-array.js';

/**
 * y = g · f: the gate's output times the branch's. A gate of width 1 scales whole rows.
 *
 * @param branch f [rows, d]
 * @param gate g [rows, width], width 1 or d
 * @returns [rows, d]
 * @throws ShapeMismatchError
 */
export function applyGate<A extends FloatArray>(branch: A, gate: FloatArray, rows: number, d: number): A {
  const width = gateWidth(branch, gate, rows, d);
  const output = zerosLike(branch, branch.length);
  for (let i = 0; i < output.length; i++) output[i] = branch[i]! * gate[width === 1 ? Math.floor(i / d) : i]!;
  return output;
}

/** Exact gradients of {@link applyGate}: `dL/df = g dL/dy`, `dL/dg = f dL/dy` (summed over the row for width 1). */
export function applyGateBackward<A extends FloatArray>(
  branch: A,
  gate: FloatArray,
  upstream: FloatArray,
  rows: number,
  d: number,
): { readonly branch: A; readonly gate: Float64Array } {
  const width = gateWidth(branch, gate, rows, d);
  if (upstream.length !== rows * d) throw new ShapeMismatchError('Gradient of the gated output', [rows, d], [upstream.length]);
  const dBranch = zerosLike(branch, branch.length);
  const dGate = new Float64Array(gate.length);
  for (let i = 0; i < branch.length; i++) {
    const j = width === 1 ? Math.floor(i / d) : i;
    dBranch[i] = upstream[i]! * gate[j]!;
    dGate[j]! += upstream[i]! * branch[i]!;
  }
  return { branch: dBranch, gate: dGate };
}

function gateWidth(branch: FloatArray, gate: FloatArray, rows: number, d: number): number {
  if (branch.length !== rows * d) throw new ShapeMismatchError('Output of the branch', [rows, d], [branch.length]);
  if (gate.length === rows * d) return d;
  if (gate.length === rows) return 1;
  throw new ShapeMismatchError('Output of the gate', `[${rows}, 1 or ${d}]`, [gate.length]);
}
