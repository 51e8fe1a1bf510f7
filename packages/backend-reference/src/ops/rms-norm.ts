/** y = x / sqrt(mean(x^2) + epsilon) * weight, one row [d] (Zhang and Sennrich, 2019). */
export function rmsNorm(x: Float64Array, weight: Float32Array, epsilon: number, y: Float64Array): Float64Array {
  const scale = 1 / Math.sqrt(squaredNorm(x) / x.length + epsilon);
  for (let i = 0; i < x.length; i++) y[i] = x[i]! * scale * weight[i]!;
  return y;
}

export function squaredNorm(x: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
  return sum;
}
