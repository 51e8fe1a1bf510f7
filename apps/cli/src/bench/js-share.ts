import { performance } from 'node:perf_hooks';
import type { Engine } from '@gateskip/engine';
import { timeBatchDecode } from './decode-batch.js';

/** Share of the decoding time in which the JavaScript thread worked rather than waited for the backend. */
export interface JsShares {
  /** The engine's loop, read token by token as a server reads it. */
  readonly engine: number;
  /** Bare steps of the runner. */
  readonly runner: number;
}

/**
 * Measured by the event loop's own clock: everything counts but the waiting. The prompt is left out. A backend that computes on
 * the JavaScript thread has a share of one.
 */
export async function measureJsShares(engine: Engine, prompt: Int32Array, tokens: number, signal: AbortSignal): Promise<JsShares> {
  const generation = engine.generate({ tokens: prompt, maxTokens: tokens + 1, ignoreEnd: true, sampling: { seed: 1 }, signal });
  let begun: ReturnType<typeof performance.eventLoopUtilization> | undefined;
  let ended = begun;
  for await (const _ of generation) {
    if (begun === undefined) begun = performance.eventLoopUtilization();
    else ended = performance.eventLoopUtilization();
  }
  await generation.result;
  if (begun === undefined || ended === undefined) throw new Error('The engine gave fewer than two chunks.');
  let bare: typeof begun | undefined;
  await timeBatchDecode(engine.runner, prompt, 1, tokens, signal, () => {
    bare = performance.eventLoopUtilization();
  });
  const bareEnd = performance.eventLoopUtilization();
  if (bare === undefined) throw new Error('No step was run.');
  return {
    engine: performance.eventLoopUtilization(ended, begun).utilization,
    runner: performance.eventLoopUtilization(bareEnd, bare).utilization,
  };
}
