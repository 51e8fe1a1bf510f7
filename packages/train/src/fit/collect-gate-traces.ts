import type { Runner } from '@gateskip/backend';
import { branchCount, densePlan, type Plan } from '@gateskip/gate';
import { TooLittleTextError } from '../errors.js';
import type { Pacer } from '../progress.js';
import { checkFinite } from './collect-traces.js';
import { traceSteps } from './trace-steps.js';

/** What every gate of an adapter read and said where nothing skips, the pinned tokens left out. */
export interface GateTraces {
  readonly rows: number;
  readonly size: number;
  /** Per branch: normed inputs [rows, d]. */
  readonly inputs: readonly Float32Array[];
  /** Per branch: scores [rows]. */
  readonly scores: readonly Float64Array[];
  /** Rows from here on belong to held-out windows. */
  readonly fitRows: number;
}

/** Fewer rows say nothing of a gate. */
const LEAST_ROWS = 64;

/**
 * Runs the text on a runner that has the adapter, gates on: where they multiply, branches read what they will read when it is used.
 *
 * @param addition share of the low-rank additions that goes with nothing skipped
 * @throws TooLittleTextError, NonFiniteTraceError, AbortedError, and what the runner's `step` throws
 */
export async function collectGateTraces(
  runner: Runner,
  fit: readonly Int32Array[],
  heldOut: readonly Int32Array[],
  pinnedTokens: number,
  addition: Pick<Plan, 'loraStrength'>,
  pacer: Pacer,
  signal?: AbortSignal,
): Promise<GateTraces> {
  const d = runner.config.hiddenSize;
  const branches = branchCount(runner.config);
  const usable = (windows: readonly Int32Array[]): number =>
    windows.reduce((sum, window) => sum + Math.max(0, window.length - pinnedTokens), 0);
  const fitRows = usable(fit);
  const rows = fitRows + usable(heldOut);
  if (fitRows < LEAST_ROWS) throw new TooLittleTextError(LEAST_ROWS, fitRows, `the first ${pinnedTokens} of each piece never skip`);
  const inputs = Array.from({ length: branches }, () => new Float32Array(rows * d));
  const scores = Array.from({ length: branches }, () => new Float64Array(rows));
  const plan: Plan = { ...densePlan(branches), scorer: 'gate', ...addition };
  let row = 0;
  const request = { windows: [...fit, ...heldOut], plan, scores: true, pinnedTokens };
  for await (const { hidden, result, length, first, done } of traceSteps(runner, request, pacer, signal)) {
    for (let branch = 0; branch < branches; branch++) {
      const own = hidden.inputs.subarray((branch * length + first) * d, (branch + 1) * length * d);
      const said = result.scores!.subarray(branch * length + first, (branch + 1) * length);
      checkFinite(own, 'input', branch, done + first, d);
      checkFinite(said, 'score', branch, done + first, 1);
      inputs[branch]!.set(own, row * d);
      scores[branch]!.set(said, row);
    }
    row += length - first;
  }
  return { rows, size: d, inputs, scores, fitRows };
}
