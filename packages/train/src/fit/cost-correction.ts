import type { Pacer } from '../progress.js';
import { type BranchRow, predictBranch } from './branch-scores.js';
import type { Traces } from './collect-traces.js';
import { fitLinear } from './linear-fit.js';
import type { BranchCosts } from './skip-costs.js';

/** A single skip's cost is mostly noise: a strong ridge, at the columns' own scales. */
const RIDGE_ROWS = 30_000;
/** Fewer skips than this say nothing of a branch. */
const LEAST_ROWS = 64;
/** Logits for a cost of the mean size. More suits small budgets, less large ones; between 4 and 8 it hardly matters. */
const TRUST = 6;

/**
 * Logits that say, besides what they said, what skips were seen to cost: `z + TRUST (a z + b + x·δ)`, the bracket the least squares
 * prediction of the cost, with a ridge on δ. Costs are only known of rows that skipped. Elsewhere the prediction is an extrapolation
 * that, alone, would let rows skip that the whole text hangs on; beside z, which keeps them, it does not.
 *
 * @param base logits of every branch before any correction: [2L]
 * @param costs of every branch: [2L]
 */
export async function correctByCosts(
  traces: Traces,
  base: readonly BranchRow[],
  costs: readonly BranchCosts[],
  maxIterations: number,
  pacer: Pacer,
): Promise<BranchRow[]> {
  const corrected: BranchRow[] = [];
  for (const [branch, row] of base.entries()) {
    pacer.report('gates', branch, base.length);
    const predicted = await predictedCost(traces, branch, row, costs[branch]!, maxIterations, pacer);
    corrected.push(predicted === undefined ? row : addRows(row, predicted, TRUST));
    await pacer.breathe();
  }
  return corrected;
}

async function predictedCost(
  traces: Traces,
  branch: number,
  base: BranchRow,
  { rows, costs }: BranchCosts,
  maxIterations: number,
  pacer: Pacer,
): Promise<BranchRow | undefined> {
  const { size, fitRows } = traces;
  // Held-out rows last, as the fit wants them.
  const order = [...rows.keys()].sort((a, b) => Number(rows[a]! >= fitRows) - Number(rows[b]! >= fitRows));
  const fitted = order.filter((at) => rows[at]! < fitRows).length;
  if (fitted < LEAST_ROWS) return undefined;
  const logits = predictBranch(traces, branch, base);
  let logitMean = 0;
  let costMean = 0;
  for (const at of order.slice(0, fitted)) {
    logitMean += logits[rows[at]!]! / fitted;
    costMean += costs[at]! / fitted;
  }
  let covariance = 0;
  let variance = 0;
  for (const at of order.slice(0, fitted)) {
    covariance += (logits[rows[at]!]! - logitMean) * (costs[at]! - costMean);
    variance += (logits[rows[at]!]! - logitMean) ** 2;
  }
  // Logits that fall with the cost are noise, or a matter of the few rows that skip.
  const slope = variance > 0 ? Math.max(0, covariance / variance) : 0;
  const inputs = new Float32Array(order.length * size);
  const left = new Float64Array(order.length);
  for (const [index, at] of order.entries()) {
    const from = rows[at]! * size;
    inputs.set(traces.inputs[branch]!.subarray(from, from + size), index * size);
    left[index] = costs[at]! - costMean - slope * (logits[rows[at]!]! - logitMean);
  }
  const { weight, bias } = await fitLinear(inputs, left, fitted, size, maxIterations, pacer, RIDGE_ROWS);
  return addRows({ weight, bias: bias + costMean - slope * logitMean }, base, slope);
}

/** a + factor b */
function addRows(a: BranchRow, b: BranchRow, factor: number): BranchRow {
  return { weight: a.weight.map((value, j) => value + factor * b.weight[j]!), bias: a.bias + factor * b.bias };
}
