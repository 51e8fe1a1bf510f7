import { branchCount, type GateSet } from '@gateskip/gate';
import { NothingToFitError } from '../errors.js';
import { Pacer } from '../progress.js';
import { measureCurve } from './calibrate.js';
import { denseScores } from './dense-scores.js';
import { draftAdapter, withRunner } from './draft-adapter.js';
import type { FitReport, FitRequest, FitResult } from './fit-adapter.js';
import { type FitOptions, resolveFitOptions } from './fit-options.js';
import { quantilesOf, thresholdsAt } from './quantiles.js';
import { count, cutWindows, spread } from './windows.js';

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
  const { protectedBranches, pinnedTokens, kv, windowTokens: length, tokens: wanted, heldOutShare } = options;
  const pacer = new Pacer('Calibrating the gates', signal, request.onProgress);
  pacer.check();
  const free = Array.from({ length: branchCount(config) }, (_, branch) => branch).filter((branch) => !protectedBranches.includes(branch));
  if (free.length === 0) throw new NothingToFitError('all branches are protected');
  const windows = cutWindows(sequences, { length, wanted, needed: 256, heldOutShare, vocabularySize: config.vocabularySize });
  const draft = draftAdapter(request, gates, options);
  return withRunner(request, draft, async (runner) => {
    const scores = await denseScores(runner, windows.fit, { protectedBranches, pinnedTokens, kv }, {}, pacer, signal);
    const curve = await measureCurve(
      runner,
      {
        windows: spread(windows.fit, Math.max(1, options.curveTokens - count(windows.heldOut))),
        heldOut: windows.heldOut,
        thresholds: thresholdsAt(scores, free, options.curveShares),
        protectedBranches,
        pinnedTokens,
        kv,
        qualityRows: options.qualityRows,
      },
      pacer,
      signal,
    );
    return {
      adapter: {
        ...draft,
        calibration: {
          ...draft.calibration,
          tokens: curve.tokens,
          curve: curve.knots.map(({ threshold, skip, net }) => ({ threshold, skip, net })),
          ...quantilesOf(scores),
          branchSkips: curve.branchSkips,
        },
      },
      report: {
        tokens: { fit: count(windows.fit), heldOut: count(windows.heldOut), curve: curve.tokens, qualityRows: curve.qualityRows },
        densePerplexity: curve.densePerplexity,
        knots: curve.knots,
        options,
        timingsMs: { total: performance.now() - startedMs },
      },
    };
  });
}
