/**
 * y = W x backwards: adds Wᵀ dy to `dx` and dy xᵀ to `dWeight`. W [rows, columns]; a frozen weight has no `dWeight`.
 */
export function linearBackward(
  weight: Float32Array,
  dWeight: Float64Array | undefined,
  x: Float64Array,
  dy: Float64Array,
  dx: Float64Array | undefined,
): void {
  const columns = x.length;
  for (let row = 0; row < dy.length; row++) {
    const slope = dy[row]!;
    if (slope === 0) continue;
    const base = row * columns;
    if (dx !== undefined) for (let i = 0; i < columns; i++) dx[i]! += slope * weight[base + i]!;
    if (dWeight !== undefined) for (let i = 0; i < columns; i++) dWeight[base + i]! += slope * x[i]!;
  }
}
