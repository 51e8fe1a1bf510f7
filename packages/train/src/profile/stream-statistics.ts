import type { Runner } from '@gateskip/backend';
import { UnsupportedError } from '@gateskip/errors';
import { dequantize, type Model } from '@gateskip/model';
import { count } from '../fit/windows.js';
import type { Pacer, ProfilePhase } from '../progress.js';
import { type DenseRowsTrace, denseTrace } from './dense-trace.js';

export interface StreamStatistics {
  readonly tokens: number;
  /** [L] */
  readonly blockInfluence: number[];
  /** [2L] */
  readonly relativeNorms: number[];
  /** [2L, d] */
  readonly meanOutputs: Float32Array;
}

/** Sums over all rows but the pinned ones. */
class Sums {
  rows = 0;
  readonly cosines: Float64Array; // [L]
  readonly norms: Float64Array; // [2L]
  readonly outputs: Float64Array; // [2L, d]

  constructor(layers: number, d: number) {
    this.cosines = new Float64Array(layers);
    this.norms = new Float64Array(2 * layers);
    this.outputs = new Float64Array(2 * layers * d);
  }
}

/** Block influence, relative norms and mean outputs, in one dense pass over the windows. */
export async function streamStatistics(
  runner: Runner,
  model: Model,
  windows: readonly Int32Array[],
  pinnedTokens: number,
  pacer: Pacer<ProfilePhase>,
  signal?: AbortSignal,
): Promise<StreamStatistics> {
  const { layers, hiddenSize: d, rmsNormEpsilon } = runner.config;
  const lastNorm = await lastNormWeights(model);
  const sums = new Sums(layers, d);
  const total = count(windows);
  let done = 0;
  for (const window of windows) {
    for await (const trace of denseTrace(runner, window, signal)) {
      pacer.report('trace', done, total);
      for (let row = Math.max(0, pinnedTokens - trace.start); row < trace.rows; row++) addRow(sums, trace, row, lastNorm, rmsNormEpsilon);
      done += trace.rows;
      await pacer.breathe();
    }
  }
  pacer.report('trace', total, total);
  const mean = (sum: Float64Array): number[] => Array.from(sum, (value) => value / sums.rows);
  return {
    tokens: sums.rows,
    blockInfluence: mean(sums.cosines).map((cosine) => 1 - cosine),
    relativeNorms: mean(sums.norms),
    meanOutputs: Float32Array.from(sums.outputs, (value) => value / sums.rows),
  };
}

function addRow(sums: Sums, trace: DenseRowsTrace, row: number, lastNorm: Float32Array, epsilon: number): void {
  const { rows, outputs, streamSquaredNorms } = trace;
  const layers = sums.cosines.length;
  const d = lastNorm.length;
  const output = (branch: number, i: number): number => outputs[(branch * rows + row) * d + i]!;
  const squaredNorm = (branch: number): number => streamSquaredNorms[branch * rows + row]!;
  sums.rows += 1;
  for (let branch = 0; branch < 2 * layers; branch++) {
    let squared = 0;
    for (let i = 0; i < d; i++) {
      const value = output(branch, i);
      squared += value * value;
      sums.outputs[branch * d + i]! += value;
    }
    sums.norms[branch]! += Math.sqrt(squared / squaredNorm(branch));
  }
  for (let layer = 0; layer < layers - 1; layer++) {
    // x' = x + u, so x . x' = (|x|^2 + |x'|^2 - |u|^2) / 2: norms that the trace has.
    let update = 0;
    for (let i = 0; i < d; i++) update += (output(2 * layer, i) + output(2 * layer + 1, i)) ** 2;
    const before = squaredNorm(2 * layer);
    const after = squaredNorm(2 * layer + 2);
    sums.cosines[layer]! += (before + after - update) / (2 * Math.sqrt(before * after));
  }
  sums.cosines[layers - 1]! += lastCosine(trace, row, lastNorm, epsilon);
}

/** Nothing is traced behind the last layer: its MLP's normed input gives the stream in its middle, both ends follow. */
function lastCosine(
  { rows, inputs, outputs, streamSquaredNorms }: DenseRowsTrace,
  row: number,
  norm: Float32Array,
  epsilon: number,
): number {
  const d = norm.length;
  const mlp = streamSquaredNorms.length / rows - 1;
  const scale = Math.sqrt(streamSquaredNorms[mlp * rows + row]! / d + epsilon);
  let product = 0;
  let before = 0;
  let after = 0;
  for (let i = 0; i < d; i++) {
    const middle = (inputs[(mlp * rows + row) * d + i]! / norm[i]!) * scale;
    const start = middle - outputs[((mlp - 1) * rows + row) * d + i]!;
    const end = middle + outputs[(mlp * rows + row) * d + i]!;
    product += start * end;
    before += start * start;
    after += end * end;
  }
  return product / Math.sqrt(before * after);
}

async function lastNormWeights(model: Model): Promise<Float32Array> {
  const name = `layers.${model.config.layers - 1}.mlpNorm`;
  const weights = dequantize(model.tensors.get(name)!.type, await model.read(name), model.config.hiddenSize);
  const zero = weights.indexOf(0);
  if (zero >= 0) {
    throw new UnsupportedError(
      `Weight ${zero} of ${name} is 0, so the influence of the last layer cannot be measured.`,
      'Take a model without pruned norms.',
      { what: name },
    );
  }
  return weights;
}
