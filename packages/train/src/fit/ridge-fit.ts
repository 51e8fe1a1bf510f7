import type { Pacer } from '../progress.js';
import type { BranchRow } from './branch-scores.js';
import { choleskyInPlace, solveCholesky } from './cholesky.js';
import { gramOf, timesTransposed } from './dense-products.js';
import { columnMoments } from './linear-fit.js';

/** Ridges tried: so many rows more of each input dimension at its own variance. */
const RIDGE_ROWS = [0.1, 1, 10, 100, 1000];
/** Share of the rows, the last ones, that choose between the ridges. */
const CHOOSING_SHARE = 1 / 6;
/** Rows fitted at most, taken evenly: more of them move a row of d numbers little and cost `rows d²`. */
const MOST_ROWS = 16_384;

/**
 * Ridge regression y ≈ w·x + b over the first `available` rows, columns centred and scaled to one variance. The ridge is chosen by fitting on
 * the earlier rows and looking at the last ones, then all rows are fitted; whatever lies behind them is never seen.
 *
 * @param inputs [at least available, d]
 * @param targets [at least available]
 */
export async function fitRidgeRow(
  inputs: Float32Array,
  targets: Float64Array,
  available: number,
  d: number,
  pacer: Pacer,
): Promise<BranchRow> {
  const { mean, scale } = columnMoments(inputs, available, d);
  const rows = Math.min(available, MOST_ROWS);
  const at = (row: number): number => Math.floor((row * available) / rows);
  let targetMean = 0;
  for (let row = 0; row < rows; row++) targetMean += targets[at(row)]! / rows;
  const x = new Float64Array(rows * d);
  const y = Float64Array.from({ length: rows }, (_, row) => targets[at(row)]! - targetMean);
  for (let row = 0; row < rows; row++) {
    const from = at(row) * d;
    for (let j = 0; j < d; j++) x[row * d + j] = (inputs[from + j]! - mean[j]!) * scale[j]!;
  }
  await pacer.breathe();

  const cut = rows - Math.max(1, Math.floor(rows * CHOOSING_SHARE));
  const [early, late] = [x.subarray(0, cut * d), x.subarray(cut * d)];
  const gram = await gramOf(early, cut, d, pacer);
  const right = await timesTransposed(early, cut, d, y.subarray(0, cut), 1, pacer);
  let best = { ridge: RIDGE_ROWS.at(-1)!, error: Number.POSITIVE_INFINITY };
  for (const ridge of RIDGE_ROWS) {
    const solution = solve(ridge);
    const error = solution === undefined ? Number.POSITIVE_INFINITY : squaredError(late, y.subarray(cut), solution);
    if (error < best.error) best = { ridge, error };
    await pacer.breathe();
  }
  add(gram, await gramOf(late, rows - cut, d, pacer));
  add(right, await timesTransposed(late, rows - cut, d, y.subarray(cut), 1, pacer));
  const weight = (solve(best.ridge) ?? new Float64Array(d)).map((value, j) => value * scale[j]!);
  return { weight, bias: targetMean - weight.reduce((sum, value, j) => sum + value * mean[j]!, 0) };

  /** (XᵀX + ridge)⁻¹ Xᵀy: [d]; undefined where rounding leaves no positive definite matrix. */
  function solve(ridge: number): Float64Array | undefined {
    const factor = gram.slice();
    for (let j = 0; j < d; j++) factor[j * d + j]! += ridge;
    if (!choleskyInPlace(factor, d)) return undefined;
    const solution = right.slice();
    solveCholesky(factor, d, solution, 1);
    return solution;
  }
}

function squaredError(x: Float64Array, y: Float64Array, solution: Float64Array): number {
  const d = solution.length;
  let sum = 0;
  for (let row = 0; row < y.length; row++) {
    let predicted = 0;
    for (let j = 0; j < d; j++) predicted += x[row * d + j]! * solution[j]!;
    sum += (predicted - y[row]!) ** 2;
  }
  return sum;
}

function add(sum: Float64Array, more: Float64Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += more[i]!;
}
