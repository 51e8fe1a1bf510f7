import type { Runner, StepResult } from '@gateskip/backend';
import { branchCount, type Plan } from '@gateskip/gate';
import { NonFiniteTraceError } from '../errors.js';
import type { Pacer } from '../progress.js';
import { count } from './windows.js';

/** Memory of the hidden states of one step. */
export const STEP_BYTES = 96 * 1048576;

/** One step of a traced window. */
export interface TraceStep {
  readonly result: StepResult;
  readonly hidden: NonNullable<StepResult['hidden']>;
  /** Rows of the step. */
  readonly length: number;
  /** First of them that is not pinned, at most `length`. */
  readonly first: number;
  /** Tokens of all windows before this step. */
  readonly done: number;
}

export interface TraceRequest {
  readonly windows: readonly Int32Array[];
  readonly plan: Plan;
  /** Gates' scores too. */
  readonly scores?: boolean;
  readonly pinnedTokens: number;
}

/**
 * Runs windows one after the other, each in steps whose hidden states fit the memory of a step.
 *
 * @throws NonFiniteTraceError, AbortedError, and what the runner's `step` throws
 */
export async function* traceSteps(
  runner: Runner,
  { windows, plan, scores = false, pinnedTokens }: TraceRequest,
  pacer: Pacer,
  signal?: AbortSignal,
): AsyncGenerator<TraceStep> {
  const { config } = runner;
  const chunk = Math.max(1, Math.min(512, Math.floor(STEP_BYTES / (branchCount(config) * (8 * config.hiddenSize + 4)))));
  const total = count(windows);
  let done = 0;
  for (const window of windows) {
    const sequence = runner.openSequence();
    try {
      for (let start = 0; start < window.length; start += chunk) {
        pacer.report('trace', done, total);
        const tokens = window.slice(start, start + chunk);
        const { length } = tokens;
        const segments = [{ sequence, start: 0, length, plan: 0 }];
        const want = { hidden: true, ...(scores && { scores }) };
        const result = await runner.step({ tokens, segments, outputs: new Int32Array(0), want }, [plan], signal);
        if (!result.hidden || (scores && !result.scores)) throw new NonFiniteTraceError('trace asked of the backend', undefined, done);
        yield { result, hidden: result.hidden, length, first: Math.min(length, Math.max(0, pinnedTokens - start)), done };
        done += length;
        await pacer.breathe();
      }
    } finally {
      runner.closeSequence(sequence);
    }
  }
  pacer.report('trace', total, total);
}
