import type { Pacer } from '../progress.js';

export interface LinearFit {
  /** [d] */
  readonly weight: Float64Array;
  readonly bias: number;
  /** Share of the variance explained on held-out rows; at most 1, negative where worse than the mean. */
  readonly heldOutR2: number;
  readonly iterations: number;
}

/** Held-out error must fall by this share within `PATIENCE` iterations. */
const MIN_GAIN = 1e-3;
const PATIENCE = 4;

/**
 * Least squares y = w·x + b by conjugate gradients on the normal equations (Hestenes and Stiefel, 1952), columns centred
 * and scaled. The number of iterations regularises like a ridge; it is chosen on held-out rows. X is only read, twice a
 * row and iteration, so that d x d matrices are never formed.
 *
 * @param inputs [rows, d]; the first `fitRows` are fitted, the others held out
 * @param targets [rows]
 * @param ridgeRows above 0: a ridge that counts so many rows more at the mean variance of the columns, which then keep their own
 *   scales: directions in which inputs vary little are trusted less
 */
export async function fitLinear(
  inputs: Float32Array,
  targets: Float64Array,
  fitRows: number,
  size: number,
  maxIterations: number,
  pacer: Pacer,
  ridgeRows = 0,
): Promise<LinearFit> {
  const rows = targets.length;
  const { mean, scale: ownScale } = columnMoments(inputs, fitRows, size);
  const scale = ridgeRows > 0 ? evenScale(ownScale) : ownScale;
  let targetMean = 0;
  for (let row = 0; row < fitRows; row++) targetMean += (targets[row] as number) / fitRows;

  const scaled = new Float64Array(size);
  const gradient = new Float64Array(size);
  for (let row = 0; row < fitRows; row++) addRow(gradient, inputs, row * size, (targets[row] as number) - targetMean);
  for (let j = 0; j < size; j++) gradient[j] = (gradient[j] as number) * (scale[j] as number);

  const solution = new Float64Array(size);
  const direction = gradient.slice();
  const product = new Float64Array(size);
  let best = { error: heldOutError(solution), solution: solution.slice(), iterations: 0 };
  const initialError = best.error;
  let squared = dot(gradient, gradient);
  const floor = squared * 1e-16;
  for (let iteration = 1; iteration <= maxIterations && squared > floor; iteration++) {
    normalProduct(direction);
    const curvature = dot(direction, product);
    if (!(curvature > 0)) break;
    const step = squared / curvature;
    for (let j = 0; j < size; j++) {
      solution[j] = (solution[j] as number) + step * (direction[j] as number);
      gradient[j] = (gradient[j] as number) - step * (product[j] as number);
    }
    const error = heldOutError(solution);
    if (error < best.error * (1 - MIN_GAIN) || best.iterations === 0) best = { error, solution: solution.slice(), iterations: iteration };
    else if (iteration - best.iterations >= PATIENCE) break;
    const next = dot(gradient, gradient);
    const ratio = next / squared;
    for (let j = 0; j < size; j++) direction[j] = (gradient[j] as number) + ratio * (direction[j] as number);
    squared = next;
    await pacer.breathe();
  }

  const weight = best.solution.map((value, j) => value * (scale[j] as number));
  return {
    weight,
    bias: targetMean - dot(weight, mean),
    heldOutR2: initialError > 0 ? 1 - best.error / initialError : 0,
    iterations: best.iterations,
  };

  /** product = S (X - 1 mean)ᵀ (X - 1 mean) S direction */
  function normalProduct(along: Float64Array): void {
    for (let j = 0; j < size; j++) scaled[j] = (along[j] as number) * (scale[j] as number);
    const shift = dot(scaled, mean);
    product.fill(0);
    let shares = 0;
    let row = 0;
    for (; row + 4 <= fitRows; row += 4) shares += fourRows(row * size, shift);
    for (; row < fitRows; row++) {
      const share = dotRow(scaled, inputs, row * size) - shift;
      addRow(product, inputs, row * size, share);
      shares += share;
    }
    for (let j = 0; j < size; j++)
      product[j] = ((product[j] as number) - shares * (mean[j] as number)) * (scale[j] as number) + ridgeRows * (along[j] as number);
  }

  /** Four rows at once: each number of `scaled` and `product` is read once for four. */
  function fourRows(at: number, shift: number): number {
    const b = at + size;
    const c = b + size;
    const e = c + size;
    let s0 = -shift;
    let s1 = -shift;
    let s2 = -shift;
    let s3 = -shift;
    for (let j = 0; j < size; j++) {
      const w = scaled[j] as number;
      s0 += w * (inputs[at + j] as number);
      s1 += w * (inputs[b + j] as number);
      s2 += w * (inputs[c + j] as number);
      s3 += w * (inputs[e + j] as number);
    }
    for (let j = 0; j < size; j++) {
      product[j] =
        (product[j] as number) +
        s0 * (inputs[at + j] as number) +
        s1 * (inputs[b + j] as number) +
        s2 * (inputs[c + j] as number) +
        s3 * (inputs[e + j] as number);
    }
    return s0 + s1 + s2 + s3;
  }

  /** Mean squared error over held-out rows (over the fitted ones where none is held out). */
  function heldOutError(candidate: Float64Array): number {
    for (let j = 0; j < size; j++) scaled[j] = (candidate[j] as number) * (scale[j] as number);
    const offset = targetMean - dot(scaled, mean);
    const first = fitRows < rows ? fitRows : 0;
    let sum = 0;
    for (let row = first; row < rows; row++) sum += (dotRow(scaled, inputs, row * size) + offset - (targets[row] as number)) ** 2;
    return sum / (rows - first);
  }
}

/** Means and one over the standard deviation of the columns; a constant column gets scale 0. */
export function columnMoments(inputs: Float32Array, rows: number, size: number): { mean: Float64Array; scale: Float64Array } {
  const mean = new Float64Array(size);
  const square = new Float64Array(size);
  for (let row = 0; row < rows; row++) addRow(mean, inputs, row * size, 1 / rows);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < size; j++) square[j] = (square[j] as number) + ((inputs[row * size + j] as number) - (mean[j] as number)) ** 2;
  }
  const scale = square.map((sum, j) => (sum / rows > 1e-12 * (mean[j] as number) ** 2 && sum > 0 ? Math.sqrt(rows / sum) : 0));
  return { mean, scale };
}

/** One scale for all columns: that of their mean variance. */
function evenScale(scale: Float64Array): Float64Array {
  const variance = scale.reduce((sum, each) => sum + (each > 0 ? 1 / each ** 2 : 0), 0) / scale.length;
  return new Float64Array(scale.length).fill(variance > 0 ? 1 / Math.sqrt(variance) : 0);
}

export function dotRow(weight: Float64Array, rows: Float32Array, at: number): number {
  let even = 0;
  let odd = 0;
  const size = weight.length;
  let j = 0;
  for (; j + 2 <= size; j += 2) {
    even += (weight[j] as number) * (rows[at + j] as number);
    odd += (weight[j + 1] as number) * (rows[at + j + 1] as number);
  }
  if (j < size) even += (weight[j] as number) * (rows[at + j] as number);
  return even + odd;
}

export function addRow(sum: Float64Array, rows: Float32Array, at: number, factor: number): void {
  for (let j = 0; j < sum.length; j++) sum[j] = (sum[j] as number) + factor * (rows[at + j] as number);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j] as number) * (b[j] as number);
  return sum;
}
