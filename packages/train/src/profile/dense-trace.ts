import type { Runner } from '@gateskip/backend';
import { branchCount, densePlan } from '@gateskip/gate';
import { NonFiniteTraceError } from '../errors.js';

/** Memory of the hidden states of one step. */
const STEP_BYTES = 96 * 1048576;

/** What every branch of the dense model saw and did in some consecutive rows. */
export interface DenseRowsTrace {
  /** Position of the first row. */
  readonly start: number;
  readonly rows: number;
  /** Normed inputs, outputs: [2L, rows, d]. Squared norms of the stream before each branch: [2L, rows]. */
  readonly inputs: Float32Array;
  readonly outputs: Float32Array;
  readonly streamSquaredNorms: Float32Array;
}

/**
 * Runs one sequence through the dense model in steps whose hidden states fit the memory allowed.
 *
 * @throws NonFiniteTraceError, AbortedError and what {@link Runner.step} throws
 */
export async function* denseTrace(runner: Runner, tokens: Int32Array, signal?: AbortSignal): AsyncGenerator<DenseRowsTrace> {
  const branches = branchCount(runner.config);
  const chunk = Math.max(1, Math.min(512, Math.floor(STEP_BYTES / (branches * (8 * runner.config.hiddenSize + 4)))));
  const plan = densePlan(branches);
  const sequence = runner.openSequence();
  try {
    for (let start = 0; start < tokens.length; start += chunk) {
      const own = tokens.slice(start, start + chunk);
      const segments = [{ sequence, start: 0, length: own.length, plan: 0 }];
      const { hidden } = await runner.step({ tokens: own, segments, outputs: new Int32Array(0), want: { hidden: true } }, [plan], signal);
      if (hidden === undefined) throw new NonFiniteTraceError('trace asked of the backend', undefined, start);
      checkFinite(hidden.outputs, branches, own.length, start);
      yield { start, rows: own.length, ...hidden };
    }
  } finally {
    runner.closeSequence(sequence);
  }
}

function checkFinite(outputs: Float32Array, branches: number, rows: number, start: number): void {
  const d = outputs.length / (branches * rows);
  const bad = outputs.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  const row = Math.floor(bad / d);
  throw new NonFiniteTraceError('output', Math.floor(row / rows), start + (row % rows));
}
