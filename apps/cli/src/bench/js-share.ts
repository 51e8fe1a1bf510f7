import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { Engine } from '@gateskip/engine';
import { timeBatchDecode } from './decode-batch.js';

/** Share of the decoding time in which the JavaScript thread worked rather than waited for the backend. */
export interface JsShares {
  /** The engine's loop, read token by token as a server reads it. */
  readonly engine: number;
  /** Bare steps of the runner. */
  readonly runner: number;
  /**
   * Processor time of the JavaScript thread for one token in the engine: what the shares would count on a machine where nobody
   * else makes the thread wait. Undefined where the system does not say.
   */
  readonly engineMicroseconds: number | undefined;
}

/**
 * Measured by the event loop's own clock: everything counts but the waiting. The prompt is left out. A backend that computes on
 * the JavaScript thread has a share of one.
 */
export async function measureJsShares(engine: Engine, prompt: Int32Array, tokens: number, signal: AbortSignal): Promise<JsShares> {
  const generation = engine.generate({ tokens: prompt, maxTokens: tokens + 1, ignoreEnd: true, sampling: { seed: 1 }, signal });
  let begun: ReturnType<typeof performance.eventLoopUtilization> | undefined;
  let busyMs: number | undefined;
  let chunks = 0;
  for await (const _ of generation) {
    if (chunks++ === 0) {
      busyMs = threadMilliseconds();
      begun = performance.eventLoopUtilization();
    }
  }
  const ended = performance.eventLoopUtilization();
  const busyAtEndMs = threadMilliseconds();
  await generation.result;
  if (begun === undefined || chunks < 2) throw new Error('The engine gave fewer than two chunks.');
  let bare: typeof begun | undefined;
  await timeBatchDecode(engine.runner, prompt, 1, tokens, signal, () => {
    bare = performance.eventLoopUtilization();
  });
  const bareEnd = performance.eventLoopUtilization();
  if (bare === undefined) throw new Error('No step was run.');
  return {
    engine: performance.eventLoopUtilization(ended, begun).utilization,
    runner: performance.eventLoopUtilization(bareEnd, bare).utilization,
    engineMicroseconds:
      busyMs !== undefined && busyAtEndMs !== undefined && busyAtEndMs > busyMs ? (1000 * (busyAtEndMs - busyMs)) / tokens : undefined,
  };
}

/** Processor time of this process's first thread, which runs the JavaScript; Linux only. */
function threadMilliseconds(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const nanoseconds = Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]);
    return nanoseconds > 0 ? nanoseconds / 1e6 : undefined;
  } catch {
    return undefined;
  }
}
