import { branchCount, type CalibrationKnot } from '@gateskip/gate';
import type { GateAdapter } from '@gateskip/model';
import type { Pacer } from '../progress.js';
import { type CurveInput, measureCurve } from './calibrate.js';
import { denseScores } from './dense-scores.js';
import { type DraftRequest, withRunner } from './draft-adapter.js';
import type { FitReport } from './fit-adapter.js';
import type { ResolvedFitOptions } from './fit-options.js';
import { keptStrengths } from './kept-strengths.js';
import { thresholdsAt } from './quantiles.js';
import { count, spread, type Windows } from './windows.js';
import { withCurve } from './with-curve.js';

export interface CalibratedAdapter {
  readonly adapter: GateAdapter;
  readonly report: Pick<FitReport, 'tokens' | 'densePerplexity' | 'knots' | 'options'>;
}

/**
 * Measures the curve of gates that come from elsewhere: their scores where nothing skips, then the text once per threshold while really
 * skipping. Where the adapter changes the model itself, qualities are against the model without it, which is then loaded beside.
 *
 * @param before the curve of the adapter whose other parts these are, for the shares of its low-rank additions
 */
export async function calibrateAdapter(
  request: DraftRequest,
  draft: GateAdapter,
  options: ResolvedFitOptions,
  windows: Windows,
  before: readonly CalibrationKnot[],
  pacer: Pacer,
): Promise<CalibratedAdapter> {
  const { signal } = request;
  const { protectedBranches, pinnedTokens, kv } = options;
  const free = Array.from({ length: branchCount(draft) }, (_, branch) => branch).filter((branch) => !protectedBranches.includes(branch));
  const strength = before[0]?.loraStrength;
  const addition = strength === undefined ? {} : { loraStrength: strength };
  return withRunner(request, draft, async (runner) => {
    const scores = await denseScores(runner, windows.fit, { protectedBranches, pinnedTokens, kv }, addition, pacer, signal);
    const thresholds = thresholdsAt(scores, free, options.curveShares);
    const loraStrengths = keptStrengths(before, scores, free, thresholds);
    const input: CurveInput = {
      windows: spread(windows.fit, Math.max(1, options.curveTokens - count(windows.heldOut))),
      heldOut: windows.heldOut,
      thresholds,
      protectedBranches,
      pinnedTokens,
      kv,
      qualityRows: options.qualityRows,
      ...(loraStrengths && { loraStrengths }),
    };
    const curve = draft.backbone
      ? await withRunner(request, undefined, (reference) => measureCurve(runner, { ...input, reference }, pacer, signal))
      : await measureCurve(runner, input, pacer, signal);
    return {
      adapter: withCurve(draft, curve, scores),
      report: {
        tokens: { fit: count(windows.fit), heldOut: count(windows.heldOut), curve: curve.tokens, qualityRows: curve.qualityRows },
        densePerplexity: curve.densePerplexity,
        knots: curve.knots,
        options,
      },
    };
  });
}
