import { squaredNorm } from '../ops/rms-norm.js';
import type { Parameter } from './parameter.js';

/**
 * y = x r w with r = 1 / sqrt(mean(x²) + epsilon), one row [d], backwards. With u = dy w:
 * `dx += r u - x r³ (u · x) / d`, `dw += dy x r`.
 */
export function rmsNormBackward(x: Float64Array, weight: Parameter, epsilon: number, dy: Float64Array, dx: Float64Array): void {
  const d = x.length;
  const scale = 1 / Math.sqrt(squaredNorm(x) / d + epsilon);
  let product = 0;
  for (let i = 0; i < d; i++) product += dy[i]! * weight.value[i]! * x[i]!;
  const back = (product * scale * scale * scale) / d;
  for (let i = 0; i < d; i++) {
    dx[i]! += scale * dy[i]! * weight.value[i]! - back * x[i]!;
    if (weight.gradient !== undefined) weight.gradient[i]! += dy[i]! * x[i]! * scale;
  }
}
