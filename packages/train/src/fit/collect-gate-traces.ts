import type { Runner } from '@gateskip/backend';
import { branchCount, densePlan, type Plan } from '@gateskip/gate';
import { NonFiniteTraceError, TooLittleTextError } from '../errors.js';
import type { Pacer } from '../progress.js';
import { checkFinite, STEP_BYTES } from './collect-traces.js';
import { count } from './windows.js';

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
  const chunk = Math.max(1, Math.min(512, Math.floor(STEP_BYTES / (branches * (8 * d + 4)))));
  const plan: Plan = { ...densePlan(branches), scorer: 'gate', ...addition };
  const total = count(fit) + count(heldOut);
  let row = 0;
  let done = 0;
  for (const window of [...fit, ...heldOut]) {
    const sequence = runner.openSequence();
    try {
      for (let start = 0; start < window.length; start += chunk) {
        pacer.report('trace', done, total);
        const tokens = window.slice(start, start + chunk);
        const length = tokens.length;
        const segments = [{ sequence, start: 0, length, plan: 0 }];
        const want = { hidden: true, scores: true };
        const result = await runner.step({ tokens, segments, outputs: new Int32Array(0), want }, [plan], signal);
        if (!result.hidden || !result.scores) throw new NonFiniteTraceError('trace asked of the backend', undefined, done);
        const first = Math.min(length, Math.max(0, pinnedTokens - start));
        for (let branch = 0; branch < branches; branch++) {
          const own = result.hidden.inputs.subarray((branch * length + first) * d, (branch + 1) * length * d);
          const said = result.scores.subarray(branch * length + first, (branch + 1) * length);
          checkFinite(own, 'input', branch, done + first, d);
          checkFinite(said, 'score', branch, done + first, 1);
          inputs[branch]!.set(own, row * d);
          scores[branch]!.set(said, row);
        }
        row += length - first;
        done += length;
        await pacer.breathe();
      }
    } finally {
      runner.closeSequence(sequence);
    }
  }
  pacer.report('trace', total, total);
  return { rows, size: d, inputs, scores, fitRows };
}
