import { branchCount } from '@gateskip/gate';
import { Pacer } from '../progress.js';
import { collectTraces } from './collect-traces.js';
import { withRunner } from './draft-adapter.js';
import type { FitRequest } from './fit-adapter.js';
import { resolveFitOptions } from './fit-options.js';
import { fitStandInMap } from './stand-in-maps.js';
import { type BranchStandIn, meanStandIn } from './stand-ins.js';
import { cutTraceWindows } from './trace-windows.js';

type StaticRequest = Pick<
  FitRequest,
  'model' | 'backend' | 'load' | 'sequences' | 'name' | 'provenance' | 'options' | 'onProgress' | 'signal'
>;

/**
 * Stand-ins of branches that are left out for every token, regressed on their inputs in the dense run as {@link fitAdapter} does for
 * the rows that would skip: here that is all of them. What is not dropped gets zeros.
 *
 * @param dropped branches, indices
 * @returns one for each branch, with maps unless `options.standInRank` is 0
 * @throws TooLittleTextError, InsufficientMemoryError, NonFiniteTraceError, InvalidArgumentError, AbortedError, and what the backend's
 *   `load` and `step` throw
 */
export async function fitStaticStandIns(request: StaticRequest, dropped: readonly number[]): Promise<BranchStandIn[]> {
  const { model, signal } = request;
  const { config } = model;
  const options = resolveFitOptions(request.options ?? {}, config);
  const pacer = new Pacer('Fitting stand-ins', signal, request.onProgress);
  pacer.check();
  const windows = cutTraceWindows(request.sequences, config, options);
  const traces = await withRunner(request, undefined, (runner) =>
    collectTraces(runner, windows.fit, windows.heldOut, options.pinnedTokens, pacer, signal),
  );
  const rank = options.standInRank;
  const d = config.hiddenSize;
  const everyRow = new Float64Array(traces.rows);
  const made: BranchStandIn[] = [];
  for (let branch = 0; branch < branchCount(config); branch++) {
    pacer.report('stand-ins', branch, branchCount(config));
    if (!dropped.includes(branch)) {
      const map = { down: new Float32Array(rank * d), up: new Float32Array(d * rank) };
      made.push({ vector: new Float32Array(d), ...(rank > 0 && { map }) });
      continue;
    }
    const vector = meanStandIn(traces, branch, everyRow, 0);
    made.push(rank === 0 ? { vector } : await fitStandInMap(traces, branch, everyRow, 0, vector, rank, pacer));
    await pacer.breathe();
  }
  pacer.report('stand-ins', branchCount(config), branchCount(config));
  return made;
}
