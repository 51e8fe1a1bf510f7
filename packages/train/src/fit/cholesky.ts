/**
 * Lower triangle L of a symmetric positive definite A = L Lᵀ, in place: the lower triangle of A is read and replaced.
 *
 * @param a [d, d] row-major
 * @returns whether A was positive definite; where not, A is spoilt
 */
export function choleskyInPlace(a: Float64Array, d: number): boolean {
  for (let i = 0; i < d; i++) {
    const row = i * d;
    for (let j = 0; j <= i; j++) {
      const other = j * d;
      let sum = a[row + j]!;
      for (let k = 0; k < j; k++) sum -= a[row + k]! * a[other + k]!;
      if (j < i) a[row + j] = sum / a[other + j]!;
      else if (sum > 0) a[row + i] = Math.sqrt(sum);
      else return false;
    }
  }
  return true;
}

/** Solves L Lᵀ Z = B for many right sides in place: B [d, columns] becomes Z. */
export function solveCholesky(l: Float64Array, d: number, b: Float64Array, columns: number): void {
  for (let i = 0; i < d; i++) {
    for (let k = 0; k < i; k++) subtractRow(b, i, k, l[i * d + k]!, columns);
    scaleRow(b, i, 1 / l[i * d + i]!, columns);
  }
  for (let i = d - 1; i >= 0; i--) {
    for (let k = i + 1; k < d; k++) subtractRow(b, i, k, l[k * d + i]!, columns);
    scaleRow(b, i, 1 / l[i * d + i]!, columns);
  }
}

function subtractRow(b: Float64Array, to: number, from: number, factor: number, columns: number): void {
  const target = to * columns;
  const source = from * columns;
  for (let c = 0; c < columns; c++) b[target + c]! -= factor * b[source + c]!;
}

function scaleRow(b: Float64Array, row: number, factor: number, columns: number): void {
  for (let c = 0; c < columns; c++) b[row * columns + c]! *= factor;
}
