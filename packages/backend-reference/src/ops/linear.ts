import type { FloatArray } from '@gateskip/gate';

/**
 * y = W x: weight [rows, columns], x and y float64.
 *
 * Four partial sums by column modulo 4, added in a fixed order: the result of a row never depends on anything but the
 * row, which makes the backend batch-invariant bit for bit.
 */
export function linear(weight: FloatArray, x: Float64Array, y: Float64Array): Float64Array {
  const columns = x.length;
  const blocked = columns - (columns % 4);
  for (let row = 0; row < y.length; row++) {
    const base = row * columns;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let column = 0;
    for (; column < blocked; column += 4) {
      a += weight[base + column]! * x[column]!;
      b += weight[base + column + 1]! * x[column + 1]!;
      c += weight[base + column + 2]! * x[column + 2]!;
      d += weight[base + column + 3]! * x[column + 3]!;
    }
    for (; column < columns; column++) a += weight[base + column]! * x[column]!;
    y[row] = a + b + (c + d);
  }
  return y;
}
