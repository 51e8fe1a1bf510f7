/** Logistic function 1 / (1 + e^-z), without overflow for any finite or infinite z. NaN stays NaN. */
export function logistic(z: number): number {
  if (z >= 0) return 1 / (1 + Math.exp(-z));
  const e = Math.exp(z);
  return e / (1 + e);
}

/** Derivative of {@link logistic} from z, so that 1 - g loses no digits where g is near 1. */
export function logisticSlope(z: number): number {
  const e = Math.exp(-Math.abs(z));
  return e / ((1 + e) * (1 + e));
}

/** z / (1 + e^-z); its limit 0 for z = -Infinity. */
export function silu(z: number): number {
  return z === Number.NEGATIVE_INFINITY ? 0 : z * logistic(z);
}

/** Derivative of {@link silu}. */
export function siluSlope(z: number): number {
  if (!Number.isFinite(z)) return Number.isNaN(z) ? z : z > 0 ? 1 : 0;
  return logistic(z) + z * logisticSlope(z);
}
