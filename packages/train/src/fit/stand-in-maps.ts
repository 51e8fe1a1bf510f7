import { randomScore, type StandInMap } from '@gateskip/gate';
import { bfloatToFloat, floatToBfloat } from '@gateskip/model';
import type { Pacer } from '../progress.js';
import { choleskyInPlace, solveCholesky } from './cholesky.js';
import type { Traces } from './collect-traces.js';
import { gramOf, orthonormalise, timesMatrix, timesTransposed } from './dense-products.js';
import type { BranchStandIn } from './stand-ins.js';

/** Rows that a map is fitted to at most: more of them move it little and cost `rows d²`. */
const MOST_ROWS = 4096;
/** Fewer rows for each rank say too little to be worth a map. */
const ROWS_PER_RANK = 8;
/** Ridge: the mean variance of an input dimension counts this many rows more. */
const RIDGE_ROWS = 100;
/** Turns of the subspace iteration: the gain of a third is below the noise of held-out rows. */
const TURNS = 2;

type MappedStandIn = Required<BranchStandIn>;

/**
 * The stand-in of a branch as a low-rank function of its input: over the rows whose score is at or below the threshold, what the vector
 * leaves of the output is regressed on the centred input, `Y ≈ X (XᵀX + λ)⁻¹ XᵀY` (ridge), and of that the `rank` directions that explain
 * most are kept (reduced-rank regression, Izenman, 1975; found by subspace iteration). Where held-out rows say that it does not help, the map is zero.
 * Numbers are such that bfloat16 holds the map exactly, as files keep it.
 */
export async function fitStandInMap(
  traces: Traces,
  branch: number,
  scores: Float64Array,
  threshold: number,
  standIn: Float32Array,
  rank: number,
  pacer: Pacer,
): Promise<MappedStandIn> {
  const d = traces.size;
  const none: MappedStandIn = { vector: standIn, map: { down: new Float32Array(rank * d), up: new Float32Array(d * rank) } };
  const all: number[] = [];
  for (let row = 0; row < traces.fitRows; row++) if (!(scores[row]! > threshold)) all.push(row);
  if (all.length < ROWS_PER_RANK * rank) return none;
  const step = Math.max(1, all.length / MOST_ROWS);
  const rows = Array.from({ length: Math.floor(all.length / step) }, (_, i) => all[Math.floor(i * step)]!);
  const n = rows.length;

  const mean = new Float64Array(d);
  const inputs = traces.inputs[branch]!;
  const outputs = traces.outputs[branch]!;
  for (const row of rows) for (let i = 0; i < d; i++) mean[i]! += inputs[row * d + i]! / n;
  const x = new Float64Array(n * d);
  const y = new Float64Array(n * d);
  for (const [at, row] of rows.entries()) {
    for (let i = 0; i < d; i++) {
      x[at * d + i] = inputs[row * d + i]! - mean[i]!;
      y[at * d + i] = outputs[row * d + i]! - standIn[i]!;
    }
  }

  const gram = await gramOf(x, n, d, pacer);
  let trace = 0;
  for (let i = 0; i < d; i++) trace += gram[i * d + i]!;
  const ridge = (RIDGE_ROWS / n) * (trace / d);
  for (let i = 0; i < d; i++) gram[i * d + i]! += ridge;
  if (!(trace > 0) || !choleskyInPlace(gram, d)) return none;
  await pacer.breathe();

  let basis: Float64Array = Float64Array.from({ length: d * rank }, (_, i) => randomScore(branch, i, 0) - 0.5);
  for (let turn = 0; turn < TURNS; turn++) {
    const predicted = await timesMatrix(x, n, d, await ridgeSolution(basis), rank, pacer);
    basis = await timesTransposed(y, n, d, predicted, rank, pacer);
    orthonormalise(basis, d, rank);
  }
  const solution = await ridgeSolution(basis);
  const toBfloat = (value: number): number => bfloatToFloat(floatToBfloat(value));
  const down = new Float32Array(rank * d);
  for (let k = 0; k < rank; k++) for (let i = 0; i < d; i++) down[k * d + i] = toBfloat(solution[i * rank + k]!);
  const up = Float32Array.from(basis, toBfloat);
  const fitted = { vector: centred(standIn, { down, up }, mean), map: { down, up } };
  return helps(traces, branch, scores, threshold, standIn, fitted) ? fitted : none;

  /** (XᵀX + λ)⁻¹ Xᵀ (Y basis): [d, rank] */
  async function ridgeSolution(of: Float64Array): Promise<Float64Array> {
    const right = await timesTransposed(x, n, d, await timesMatrix(y, n, d, of, rank, pacer), rank, pacer);
    solveCholesky(gram, d, right, rank);
    await pacer.breathe();
    return right;
  }
}

/** What a map adds for one input: `up (down x)`, x from `inputs[at]` on; [d] */
export function mapOf({ down, up }: StandInMap, inputs: ArrayLike<number>, at: number, d: number): Float64Array {
  const rank = down.length / d;
  const added = new Float64Array(d);
  const inner = new Float64Array(rank);
  for (let k = 0; k < rank; k++) {
    let sum = 0;
    for (let i = 0; i < d; i++) sum += down[k * d + i]! * inputs[at + i]!;
    inner[k] = sum;
  }
  for (let i = 0; i < d; i++) {
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += up[i * rank + k]! * inner[k]!;
    added[i] = sum;
  }
  return added;
}

/** The vector that goes with a map of uncentred inputs. */
function centred(standIn: Float32Array, map: StandInMap, mean: Float64Array): Float32Array {
  const shift = mapOf(map, mean, 0, mean.length);
  return standIn.map((value, i) => value - shift[i]!);
}

/** Whether held-out rows that skip lose less with the map than with the vector alone. */
function helps(
  { inputs, outputs, rows, fitRows, size: d }: Traces,
  branch: number,
  scores: Float64Array,
  threshold: number,
  alone: Float32Array,
  fitted: MappedStandIn,
): boolean {
  let before = 0;
  let after = 0;
  for (let row = fitRows; row < rows; row++) {
    if (scores[row]! > threshold) continue;
    const added = mapOf(fitted.map, inputs[branch]!, row * d, d);
    for (let i = 0; i < d; i++) {
      const output = outputs[branch]![row * d + i]!;
      before += (output - alone[i]!) ** 2;
      after += (output - fitted.vector[i]! - added[i]!) ** 2;
    }
  }
  return after < before;
}
