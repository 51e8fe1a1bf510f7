import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { type FloatArray, zerosLike } from './float-array.js';
import type { GateSpec } from './gate-set.js';
import { logistic, silu } from './logistic.js';
import { type GateParameterName, gateOutputWidth } from './parameter-shapes.js';
import { validateGateParameters } from './validate-gate-set.js';

/** `GateParameters` in either precision. */
export type GateNumbers = { readonly weight: FloatArray; readonly bias: FloatArray } & {
  readonly [name in Exclude<GateParameterName, 'weight' | 'bias'>]?: FloatArray;
};

/** What {@link gateBackward} needs of a forward call. Holds the input itself, not a copy. */
export interface SavedGate<A extends FloatArray = FloatArray> {
  readonly input: A;
  readonly rows: number;
  readonly hiddenSize: number;
  /** Before the last sigmoid: [rows, width]. */
  readonly logits: Float64Array;
  /** mlp: before the silu; low-rank: V x. [rows, hidden or rank] */
  readonly inner?: Float64Array;
  /** hybrid: logit of the branch's one scalar. [rows] */
  readonly scalarLogits?: Float64Array;
}

/** What a gate says about some rows. */
export interface GateOutput<A extends FloatArray = FloatArray> {
  /** Width of `output`: 1 for scalar gates, d otherwise. */
  readonly width: number;
  /** [rows, width] */
  readonly output: A;
  /** Mean of the output over its dimensions, taken before the output is rounded to its storage: [rows]. */
  readonly score: A;
  readonly saved: SavedGate<A>;
}

/**
 * Gate of one branch for some rows. Summed in double precision, rounded once to the input's precision. Finite inputs
 * never give NaN; far out the sigmoid saturates and its float32 value is 0 or 1.
 *
 * @param input [rows, d] the branch's normed input (position `before`) or its output (`after`)
 * @throws ShapeMismatchError, InvalidArgumentError, UnsupportedError
 */
export function gateForward<A extends FloatArray>(
  spec: GateSpec,
  parameters: GateNumbers,
  input: A,
  rows: number,
  d: number,
): GateOutput<A> {
  checkInput(spec, parameters, input, rows, d);
  const width = gateOutputWidth(spec, d);
  const output = zerosLike(input, rows * width);
  const score = zerosLike(input, rows);
  const logits = new Float64Array(rows * width);
  const innerWidth = parameters.down === undefined ? 0 : parameters.down.length / d;
  const inner = innerWidth > 0 ? new Float64Array(rows * innerWidth) : undefined;
  const scalarLogits = spec.variant === 'hybrid' ? new Float64Array(rows) : undefined;
  const workspace = new Float64Array(innerWidth);
  for (let row = 0; row < rows; row++) {
    score[row] = gateRow(spec, parameters, input, row, d, workspace, { output, logits, inner, scalarLogits });
  }
  const saved: SavedGate<A> = { input, rows, hiddenSize: d, logits, ...(inner && { inner }), ...(scalarLogits && { scalarLogits }) };
  return { width, output, score, saved };
}

/**
 * Scores alone, the same numbers as `gateForward(...).score`, with nothing kept for a backward call.
 *
 * @returns [rows], in the input's precision
 */
export function gateScores<A extends FloatArray>(spec: GateSpec, parameters: GateNumbers, input: A, rows: number, d: number): A {
  checkInput(spec, parameters, input, rows, d);
  const score = zerosLike(input, rows);
  const workspace = new Float64Array(parameters.down === undefined ? 0 : parameters.down.length / d);
  for (let row = 0; row < rows; row++) score[row] = gateRow(spec, parameters, input, row, d, workspace);
  return score;
}

interface RowSinks {
  readonly output: FloatArray;
  readonly logits: Float64Array;
  readonly inner: Float64Array | undefined;
  readonly scalarLogits: Float64Array | undefined;
}

/** One row; returns the score. `workspace` [hidden or rank] holds what the last product reads. */
function gateRow(
  spec: GateSpec,
  parameters: GateNumbers,
  input: FloatArray,
  row: number,
  d: number,
  workspace: Float64Array,
  sinks?: RowSinks,
): number {
  const { weight, bias, down, downBias, scalarWeight, scalarBias } = parameters;
  const at = row * d;
  const innerWidth = workspace.length;
  for (let k = 0; k < innerWidth; k++) {
    const value = dot(down!, k * d, input, at, d) + (downBias === undefined ? 0 : downBias[k]!);
    if (sinks?.inner !== undefined) sinks.inner[row * innerWidth + k] = value;
    workspace[k] = spec.variant === 'mlp' ? silu(value) : value;
  }
  let scalar = 1;
  if (spec.variant === 'hybrid') {
    const logit = dot(scalarWeight!, 0, input, at, d) + scalarBias![0]!;
    if (sinks?.scalarLogits !== undefined) sinks.scalarLogits[row] = logit;
    scalar = logistic(logit);
  }
  const width = bias.length;
  let sum = 0;
  for (let j = 0; j < width; j++) {
    const product = innerWidth > 0 ? dot(weight, j * innerWidth, workspace, 0, innerWidth) : dot(weight, j * d, input, at, d);
    const logit = product + bias[j]!;
    const value = logistic(logit) * scalar;
    sum += value;
    if (sinks !== undefined) {
      sinks.logits[row * width + j] = logit;
      sinks.output[row * width + j] = value;
    }
  }
  return sum / width;
}

function dot(a: FloatArray, aStart: number, b: FloatArray, bStart: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[aStart + i]! * b[bStart + i]!;
  return sum;
}

function checkInput(spec: GateSpec, parameters: GateNumbers, input: FloatArray, rows: number, d: number): void {
  validateGateParameters(spec, parameters, d, 'gate');
  if (!Number.isInteger(rows) || rows < 0) throw new InvalidArgumentError(`rows must be a non-negative integer, got ${rows}.`);
  if (input.length !== rows * d) throw new ShapeMismatchError('Input of the gate', [rows, d], [input.length]);
}
