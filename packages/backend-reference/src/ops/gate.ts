import { type GateParameters, type GateSpec, gateForward } from '@gateskip/gate';

/** What one gate says about one row. */
export interface GateRow {
  /** Factors for the branch's output: [d], or [1] for the scalar variant. */
  readonly factors: Float64Array;
  /** Their mean, in (0, 1). */
  readonly score: number;
}

/** One gate for one row [d], in double precision. */
export function gateRow(spec: GateSpec, parameters: GateParameters, x: Float64Array): GateRow {
  const { output, score } = gateForward(spec, parameters, x, 1, x.length);
  return { factors: output, score: score[0]! };
}

/** In place: y *= factors. */
export function weigh(factors: Float64Array, y: Float64Array): void {
  for (let i = 0; i < y.length; i++) y[i]! *= factors[factors.length === 1 ? 0 : i]!;
}
