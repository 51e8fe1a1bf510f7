import { branchCount, type GateSet } from '@gateskip/gate';
import { NothingToFitError } from '../errors.js';
import { Pacer } from '../progress.js';
import { calibrateAdapter } from './calibrate-adapter.js';
import { draftAdapter } from './draft-adapter.js';
import type { FitReport, FitRequest, FitResult } from './fit-adapter.js';
import { type FitOptions, resolveFitOptions } from './fit-options.js';
import { cutWindows } from './windows.js';

export interface CalibrateGatesRequest extends Omit<FitRequest, 'options'> {
  /** Taken as they are. */
  readonly gates: GateSet;
  /** What a fit alone needs is ignored. `pinnedTokens` and `protectedBranches` are by default none, `kv` is `alias`: the published way. */
  readonly options?: FitOptions;
}

/** A fit's result without what a fit alone knows. */
export interface CalibratedGates extends Pick<FitResult, 'adapter'> {
  readonly report: Pick<FitReport, 'tokens' | 'densePerplexity' | 'knots' | 'options'> & { readonly timingsMs: { readonly total: number } };
}

/**
 * Measures the curve of gates that come from elsewhere, so that budgets can be asked of them. Where they multiply, the model with nothing
 * skipped is another one than the dense model: its KL is that of the first point.
 *
 * @throws TooLittleTextError, NothingToFitError, InvalidArgumentError, AbortedError, and what the backend's `load` and `step` throw
 */
export async function calibrateGates(request: CalibrateGatesRequest): Promise<CalibratedGates> {
  const { model, sequences, signal, gates } = request;
  const { config } = model;
  const startedMs = performance.now();
  const options = resolveFitOptions({ kv: 'alias', pinnedTokens: 0, protectedBranches: [], ...request.options }, config);
  const { protectedBranches, windowTokens: length, tokens: wanted, heldOutShare } = options;
  const pacer = new Pacer('Calibrating the gates', signal, request.onProgress);
  pacer.check();
  if (new Set(protectedBranches).size === branchCount(config)) throw new NothingToFitError('all branches are protected');
  const windows = cutWindows(sequences, { length, wanted, needed: 256, heldOutShare, vocabularySize: config.vocabularySize });
  const { adapter, report } = await calibrateAdapter(request, draftAdapter(request, gates, options), options, windows, [], pacer);
  return { adapter, report: { ...report, timingsMs: { total: performance.now() - startedMs } } };
}
