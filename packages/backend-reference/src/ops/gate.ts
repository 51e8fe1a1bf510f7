import type { GateParameters, GateSpec } from '@gateskip/gate';
import { linear } from './linear.js';

/** What one gate says about one row. */
export interface GateOutput {
  /** Factors for the branch's output: [d], or [1] for the scalar variant. */
  readonly factors: Float64Array;
  /** Their mean, in (0, 1). */
  readonly score: number;
}

/** The gate variants as their definition has them (`GateVariant` of @gateskip/gate), in double precision. */
export function gateRow(spec: GateSpec, parameters: GateParameters, x: Float64Array): GateOutput {
  const factors = linear(parameters.weight, innerInput(spec, parameters, x), new Float64Array(parameters.bias.length));
  for (let i = 0; i < factors.length; i++) factors[i] = logistic(factors[i]! + parameters.bias[i]!);
  if (spec.variant === 'hybrid') {
    const common = logistic(linear(parameters.scalarWeight!, x, new Float64Array(1))[0]! + parameters.scalarBias![0]!);
    for (let i = 0; i < factors.length; i++) factors[i]! *= common;
  }
  let sum = 0;
  for (const factor of factors) sum += factor;
  return { factors, score: sum / factors.length };
}

/** What the last matrix of the gate reads: the input itself, or what the first matrix makes of it. */
function innerInput(spec: GateSpec, parameters: GateParameters, x: Float64Array): Float64Array {
  if (spec.variant === 'low-rank') return linear(parameters.down!, x, new Float64Array(spec.rank!));
  if (spec.variant !== 'mlp') return x;
  const hidden = linear(parameters.down!, x, new Float64Array(spec.hidden!));
  for (let i = 0; i < hidden.length; i++) {
    const value = hidden[i]! + parameters.downBias![i]!;
    hidden[i] = value * logistic(value);
  }
  return hidden;
}

/** In place: y *= factors. */
export function applyGate(factors: Float64Array, y: Float64Array): void {
  for (let i = 0; i < y.length; i++) y[i]! *= factors[factors.length === 1 ? 0 : i]!;
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
