import type { Pacer } from '../progress.js';
import { type BranchRow, pooledQuantile, predict } from './branch-scores.js';
import type { Traces } from './collect-traces.js';
import { fitLinear } from './linear-fit.js';
import { meanStandIn, relativeLoss } from './stand-ins.js';

export interface FittedBranches {
  /** Predicts the relative loss of a skip; not weighted, not divided by cost. */
  readonly rows: readonly BranchRow[];
  readonly heldOutR2: readonly number[];
  /** Mean relative loss where all rows would skip. */
  readonly meanLoss: readonly number[];
}

/** The least squares row of each branch for the relative loss under the stand-ins given, times the row's weight. */
export async function fitBranchRows(
  traces: Traces,
  standIns: readonly Float32Array[],
  maxIterations: number,
  pacer: Pacer,
  step: { readonly done: number; readonly total: number },
  perRow?: Float64Array,
): Promise<FittedBranches> {
  const rows: BranchRow[] = [];
  const heldOutR2: number[] = [];
  const meanLoss: number[] = [];
  for (let branch = 0; branch < traces.inputs.length; branch++) {
    pacer.report('gates', step.done + branch, step.total);
    const losses = relativeLoss(traces, branch, standIns[branch] as Float32Array);
    const targets = perRow ? losses.map((loss, row) => loss * (perRow[row] as number)) : losses;
    const fit = await fitLinear(traces.inputs[branch] as Float32Array, targets, traces.fitRows, traces.size, maxIterations, pacer);
    rows.push({ weight: fit.weight, bias: fit.bias });
    heldOutR2.push(fit.heldOutR2);
    meanLoss.push(losses.reduce((sum, loss) => sum + loss, 0) / losses.length);
    await pacer.breathe();
  }
  return { rows, heldOutR2, meanLoss };
}

/** Predicted relative loss times weight over cost: importance per MAC, comparable across branches. */
export function scaleRows(rows: readonly BranchRow[], factors: readonly number[]): BranchRow[] {
  return rows.map(({ weight, bias }, branch) => {
    const factor = factors[branch] as number;
    return { weight: weight.map((value) => value * factor), bias: bias * factor };
  });
}

/** The stand-ins for the rows that would skip with these gates where `share` of the free branches' rows skip. */
export function standInsAt(traces: Traces, scaled: readonly BranchRow[], free: readonly number[], share: number): Float32Array[] {
  const scores = predict(traces, scaled);
  const threshold = pooledQuantile(scores, free, share);
  return scores.map((each, branch) => meanStandIn(traces, branch, each, threshold));
}

/** Relative loss that a row is expected to meet where each free branch skips it equally often: weighted sum over branches. */
export function expectedLoss(
  traces: Traces,
  standIns: readonly Float32Array[],
  free: readonly number[],
  weights: readonly number[],
): Float64Array {
  const sum = new Float64Array(traces.rows);
  for (const branch of free) {
    const losses = relativeLoss(traces, branch, standIns[branch] as Float32Array);
    const weight = weights[branch] as number;
    for (let row = 0; row < sum.length; row++) sum[row] = (sum[row] as number) + weight * (losses[row] as number);
  }
  return sum;
}
