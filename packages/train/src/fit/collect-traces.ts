import type { Runner } from '@gateskip/backend';
import { InsufficientMemoryError } from '@gateskip/errors';
import { branchCount, densePlan } from '@gateskip/gate';
import { NonFiniteTraceError } from '../errors.js';
import type { Pacer } from '../progress.js';
import { STEP_BYTES, traceSteps } from './trace-steps.js';

/** What every branch of the dense model saw and did on the calibration text, the pinned tokens left out. */
export interface Traces {
  readonly rows: number;
  readonly size: number;
  /** Per branch: normed inputs [rows, d]. */
  readonly inputs: readonly Float32Array[];
  /** Per branch: outputs [rows, d]. */
  readonly outputs: readonly Float32Array[];
  /** Per branch: squared norm of the residual stream before it [rows]. */
  readonly streamSquaredNorms: readonly Float64Array[];
  /** Rows from here on belong to held-out windows. */
  readonly fitRows: number;
}

/**
 * @param states hidden states kept of each branch: its input, its output, or both
 * @throws InsufficientMemoryError before anything is run
 */
export function checkTraceMemory(shape: { layers: number; hiddenSize: number }, tokens: number, allowedBytes: number, states = 2): void {
  const bytesPerToken = branchCount(shape) * (4 * states * shape.hiddenSize + 8);
  const needed = tokens * bytesPerToken + 2 * STEP_BYTES;
  if (needed <= allowedBytes) return;
  const fitting = Math.max(0, Math.floor((allowedBytes - 2 * STEP_BYTES) / bytesPerToken));
  throw new InsufficientMemoryError(
    `Keeping the hidden states of ${tokens} calibration tokens`,
    needed,
    allowedBytes,
    `Fit on at most ${fitting} tokens, or allow more memory.`,
  );
}

export async function collectTraces(
  runner: Runner,
  fit: readonly Int32Array[],
  heldOut: readonly Int32Array[],
  pinnedTokens: number,
  pacer: Pacer,
  signal?: AbortSignal,
): Promise<Traces> {
  const d = runner.config.hiddenSize;
  const branches = branchCount(runner.config);
  const usable = (windows: readonly Int32Array[]): number => windows.reduce((sum, window) => sum + window.length - pinnedTokens, 0);
  const fitRows = usable(fit);
  const rows = fitRows + usable(heldOut);
  const make = <T>(one: () => T): T[] => Array.from({ length: branches }, one);
  const inputs = make(() => new Float32Array(rows * d));
  const outputs = make(() => new Float32Array(rows * d));
  const streamSquaredNorms = make(() => new Float64Array(rows));
  let row = 0;
  const request = { windows: [...fit, ...heldOut], plan: densePlan(branches), pinnedTokens };
  for await (const { hidden, length, first, done } of traceSteps(runner, request, pacer, signal)) {
    for (let branch = 0; branch < branches; branch++) {
      const from = (branch * length + first) * d;
      const to = (branch + 1) * length * d;
      if (to <= from) continue;
      inputs[branch]?.set(hidden.inputs.subarray(from, to), row * d);
      outputs[branch]?.set(hidden.outputs.subarray(from, to), row * d);
      const norms = hidden.streamSquaredNorms.subarray(branch * length + first, (branch + 1) * length);
      streamSquaredNorms[branch]?.set(norms, row);
      checkFinite(norms, 'residual stream', branch, done + first, 1);
      checkFinite(hidden.inputs.subarray(from, to), 'input', branch, done + first, d);
      checkFinite(hidden.outputs.subarray(from, to), 'output', branch, done + first, d);
    }
    row += length - first;
  }
  return { rows, size: d, inputs, outputs, streamSquaredNorms, fitRows };
}

export function checkFinite(values: Float32Array, what: string, branch: number, firstToken: number, width: number): void {
  // A sum is finite only if every number is (opposite infinities give NaN); float32 sums cannot overflow a double.
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index] as number;
  if (Number.isFinite(sum)) return;
  const bad = values.findIndex((value) => !Number.isFinite(value));
  throw new NonFiniteTraceError(what, branch, firstToken + Math.floor(bad / width));
}
