import type { Pacer } from '../progress.js';

/** Lower triangle of XᵀX, four rows at a time: each sum is read and written once for all of them. */
export async function gramOf(x: Float64Array, n: number, d: number, pacer: Pacer): Promise<Float64Array> {
  const gram = new Float64Array(d * d);
  for (let row = 0; row < n; row += 4) {
    const at = [0, 1, 2, 3].map((k) => (row + k < n ? (row + k) * d : -1));
    const [a, b, c, e] = at as [number, number, number, number];
    for (let i = 0; i < d; i++) {
      const [xa, xb, xc, xe] = [x[a + i]!, b < 0 ? 0 : x[b + i]!, c < 0 ? 0 : x[c + i]!, e < 0 ? 0 : x[e + i]!];
      const [pb, pc, pe] = [Math.max(b, 0), Math.max(c, 0), Math.max(e, 0)];
      const target = i * d;
      for (let j = 0; j <= i; j++) gram[target + j]! += xa * x[a + j]! + xb * x[pb + j]! + xc * x[pc + j]! + xe * x[pe + j]!;
    }
    await pacer.breathe();
  }
  return gram;
}

/** X [n, d] times Z [d, k]: [n, k] */
export async function timesMatrix(x: Float64Array, n: number, d: number, z: Float64Array, k: number, pacer: Pacer): Promise<Float64Array> {
  const product = new Float64Array(n * k);
  for (let row = 0; row < n; row++) {
    const to = row * k;
    for (let i = 0; i < d; i++) {
      const value = x[row * d + i]!;
      for (let c = 0; c < k; c++) product[to + c]! += value * z[i * k + c]!;
    }
    if (row % 64 === 63) await pacer.breathe();
  }
  return product;
}

/** Xᵀ [d, n] times A [n, k]: [d, k] */
export async function timesTransposed(
  x: Float64Array,
  n: number,
  d: number,
  a: Float64Array,
  k: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const product = new Float64Array(d * k);
  for (let row = 0; row < n; row++) {
    const from = row * k;
    for (let i = 0; i < d; i++) {
      const value = x[row * d + i]!;
      for (let c = 0; c < k; c++) product[i * k + c]! += value * a[from + c]!;
    }
    if (row % 64 === 63) await pacer.breathe();
  }
  return product;
}

/** Columns of Z [d, k] made orthonormal in order (Gram and Schmidt, twice for accuracy); those that are none become zero. */
export function orthonormalise(z: Float64Array, d: number, k: number): void {
  for (let c = 0; c < k; c++) {
    const length = columnLength(z, d, k, c);
    for (let pass = 0; pass < 2; pass++) {
      for (let other = 0; other < c; other++) {
        let sum = 0;
        for (let i = 0; i < d; i++) sum += z[i * k + c]! * z[i * k + other]!;
        for (let i = 0; i < d; i++) z[i * k + c]! -= sum * z[i * k + other]!;
      }
    }
    const left = columnLength(z, d, k, c);
    const factor = left > 1e-9 * length ? 1 / left : 0;
    for (let i = 0; i < d; i++) z[i * k + c]! *= factor;
  }
}

function columnLength(z: Float64Array, d: number, k: number, column: number): number {
  let sum = 0;
  for (let i = 0; i < d; i++) sum += z[i * k + column]! ** 2;
  return Math.sqrt(sum);
}
