import type { Traces } from './collect-traces.js';
import { dotRow } from './linear-fit.js';

/** A linear row per branch, before the sigmoid: predicted importance = weight·x + bias. */
export interface BranchRow {
  readonly weight: Float64Array;
  readonly bias: number;
}

/** Predicted importance of every traced row for every branch: [2L][rows]. */
export function predict(traces: Traces, rows: readonly BranchRow[]): Float64Array[] {
  return rows.map((row, branch) => predictBranch(traces, branch, row));
}

/** The same for one branch: [rows]. */
export function predictBranch(traces: Traces, branch: number, { weight, bias }: BranchRow): Float64Array {
  const inputs = traces.inputs[branch] as Float32Array;
  return Float64Array.from({ length: traces.rows }, (_, row) => dotRow(weight, inputs, row * traces.size) + bias);
}

/** The value below which `share` of the numbers of the named branches lie. */
export function pooledQuantile(scores: readonly Float64Array[], branches: readonly number[], share: number): number {
  const sorted = pool(scores, branches);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
}

/** All numbers of the named branches, ascending. */
export function pool(scores: readonly Float64Array[], branches: readonly number[]): Float64Array {
  const rows = scores[0]?.length ?? 0;
  const all = new Float64Array(branches.length * rows);
  branches.forEach((branch, index) => all.set(scores[branch] as Float64Array, index * rows));
  return all.sort();
}
