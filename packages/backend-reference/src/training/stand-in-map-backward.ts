import type { Parameter } from './parameter.js';

/**
 * Exact gradients of `up (down x)` for one row.
 *
 * @param map down [rank, d], up [d, rank]; gradients are added where they are trained
 * @param x [d]
 * @param dy gradient of the result: [d]
 * @param dx that of x is added here: [d]
 */
export function standInMapBackward(
  { down, up }: { readonly down: Parameter; readonly up: Parameter },
  x: Float64Array,
  dy: Float64Array,
  dx: Float64Array,
): void {
  const d = x.length;
  const rank = down.value.length / d;
  for (let k = 0; k < rank; k++) {
    let inner = 0;
    let dInner = 0;
    for (let i = 0; i < d; i++) {
      inner += down.value[k * d + i]! * x[i]!;
      dInner += up.value[i * rank + k]! * dy[i]!;
    }
    for (let i = 0; i < d; i++) {
      if (up.gradient !== undefined) up.gradient[i * rank + k]! += dy[i]! * inner;
      if (down.gradient !== undefined) down.gradient[k * d + i]! += dInner * x[i]!;
      dx[i]! += dInner * down.value[k * d + i]!;
    }
  }
}
