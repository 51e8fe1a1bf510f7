import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { type FloatArray, zerosLike } from './float-array.js';
import type { GateNumbers, SavedGate } from './forward.js';
import type { GateParameters, GateSet, GateSpec } from './gate-set.js';
import { logistic, logisticSlope, silu, siluSlope } from './logistic.js';
import { type GateParameterName, gateOutputWidth } from './parameter-shapes.js';

/** Gradients of one gate, the arrays of its variant, in double precision; calls add to them. */
export type GateGradients = { readonly weight: Float64Array; readonly bias: Float64Array } & {
  readonly [name in Exclude<GateParameterName, 'weight' | 'bias'>]?: Float64Array;
};

/** dL/d(gate output) and dL/d(score); what is absent counts as zero. */
export interface GateUpstream {
  /** [rows, width] */
  readonly output?: FloatArray;
  /** [rows] */
  readonly score?: FloatArray;
}

export interface GateBackwardOptions {
  /** Where to add; default: a new zeroed one. Passing one object for several branches is how shared gates sum. */
  readonly into?: GateGradients;
  /** Published: the gate's input is detached, no gradient flows into the stream through it. Default true. */
  readonly detachInput?: boolean;
}

export interface GateBackwardResult<A extends FloatArray> {
  readonly parameters: GateGradients;
  /** [rows, d]; absent where the input is detached. */
  readonly input?: A;
}

/** Zeroed gradients for one gate. */
export function createGateGradients(parameters: GateNumbers): GateGradients {
  const entries = Object.entries(parameters).map(([name, values]) => [name, new Float64Array(values.length)]);
  return Object.fromEntries(entries) as GateGradients;
}

/** Zeroed gradients for every branch; branches that share a gate share the gradient, so theirs sum. Length 2L. */
export function createGradientSet(set: GateSet): readonly GateGradients[] {
  const byGate = new Map<GateParameters, GateGradients>();
  return set.gates.map((gate, branch) => {
    const owner = set.spec.sharing === 'shared' ? set.gates[branch % 2]! : gate;
    const known = byGate.get(owner) ?? createGateGradients(owner);
    byGate.set(owner, known);
    return known;
  });
}

/**
 * Exact gradients of {@link gateForward}. With g = σ(z), score = mean g:
 * `dL/dz = (dL/dg + dL/dscore / width) σ'(z)`, then the chain of each variant.
 *
 * @throws ShapeMismatchError where an upstream gradient or `into` does not fit
 */
export function gateBackward<A extends FloatArray>(
  spec: GateSpec,
  parameters: GateNumbers,
  saved: SavedGate<A>,
  upstream: GateUpstream,
  options: GateBackwardOptions = {},
): GateBackwardResult<A> {
  const { rows, hiddenSize: d, input, logits } = saved;
  const width = gateOutputWidth(spec, d);
  checkUpstream(upstream, rows, width);
  const gradients = options.into ?? createGateGradients(parameters);
  for (const [name, values] of Object.entries(parameters)) {
    const got = gradients[name as GateParameterName]?.length ?? 0;
    if (got !== values.length) throw new ShapeMismatchError(`Gradient of ${name}`, [values.length], [got]);
  }
  const inputGradient = options.detachInput === false ? zerosLike(input, rows * d) : undefined;
  const innerWidth = parameters.down === undefined ? 0 : parameters.down.length / d;
  const dLogits = new Float64Array(width);
  const dInner = new Float64Array(innerWidth);
  const dx = new Float64Array(d);
  for (let row = 0; row < rows; row++) {
    const x = input.subarray(row * d, (row + 1) * d);
    const scoreShare = upstream.score === undefined ? 0 : upstream.score[row]! / width;
    const scalar = saved.scalarLogits === undefined ? 1 : logistic(saved.scalarLogits[row]!);
    let dScalar = 0;
    for (let j = 0; j < width; j++) {
      const z = logits[row * width + j]!;
      const dOutput = (upstream.output === undefined ? 0 : upstream.output[row * width + j]!) + scoreShare;
      dScalar += dOutput * logistic(z);
      dLogits[j] = dOutput * scalar * logisticSlope(z);
      gradients.bias[j]! += dLogits[j]!;
    }
    dx.fill(0);
    if (innerWidth > 0) {
      const inner = saved.inner!.subarray(row * innerWidth, (row + 1) * innerWidth);
      const active = spec.variant === 'mlp' ? inner.map(silu) : inner;
      dInner.fill(0);
      productBackward(parameters.weight, dLogits, active, gradients.weight, dInner);
      for (let k = 0; k < innerWidth; k++) {
        if (spec.variant === 'mlp') dInner[k]! *= siluSlope(inner[k]!);
        if (gradients.downBias !== undefined) gradients.downBias[k]! += dInner[k]!;
      }
      productBackward(parameters.down!, dInner, x, gradients.down!, dx);
    } else {
      productBackward(parameters.weight, dLogits, x, gradients.weight, dx);
    }
    if (saved.scalarLogits !== undefined) {
      const dScalarLogit = dScalar * logisticSlope(saved.scalarLogits[row]!);
      gradients.scalarBias![0]! += dScalarLogit;
      productBackward(parameters.scalarWeight!, Float64Array.of(dScalarLogit), x, gradients.scalarWeight!, dx);
    }
    inputGradient?.set(dx, row * d);
  }
  return { parameters: gradients, ...(inputGradient && { input: inputGradient }) };
}

/** y = W x with W [dy.length, x.length]: adds dy xᵀ to dWeight and Wᵀ dy to dx. */
function productBackward(weight: FloatArray, dy: Float64Array, x: FloatArray, dWeight: Float64Array, dx: Float64Array): void {
  const columns = x.length;
  for (let j = 0; j < dy.length; j++) {
    const slope = dy[j]!;
    if (slope === 0) continue;
    const start = j * columns;
    for (let i = 0; i < columns; i++) {
      dWeight[start + i]! += slope * x[i]!;
      dx[i]! += slope * weight[start + i]!;
    }
  }
}

function checkUpstream(upstream: GateUpstream, rows: number, width: number): void {
  if (upstream.output === undefined && upstream.score === undefined) {
    throw new InvalidArgumentError('No upstream gradient was given.', 'Give dL/d(output), dL/d(score), or both.');
  }
  if (upstream.output !== undefined && upstream.output.length !== rows * width) {
    throw new ShapeMismatchError('Gradient of the gate output', [rows, width], [upstream.output.length]);
  }
  if (upstream.score !== undefined && upstream.score.length !== rows) {
    throw new ShapeMismatchError('Gradient of the score', [rows], [upstream.score.length]);
  }
}
