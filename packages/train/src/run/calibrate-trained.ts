import { branchMacs, denseRowMacs } from '@gateskip/gate';
import type { GateAdapter, ModelConfig } from '@gateskip/model';
import { type CurveInput, MAX_ROWS, measureCurve } from '../fit/calibrate.js';
import { denseScores } from '../fit/dense-scores.js';
import { thresholdsAt } from '../fit/quantiles.js';
import { withCurve } from '../fit/with-curve.js';
import { Pacer } from '../progress.js';
import { loraStrengthAt, STATIC_THRESHOLD } from './skip-planner.js';
import type { TrainRequest } from './train-request.js';

/** Shares of the free branches' rows that the points of the curve aim at. */
const CURVE_SHARES = [0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.37, 0.45, 0.55, 0.65, 0.75, 0.85];
/** Times that the text is run: the scores, nothing skipped, every point. */
export const CURVE_POINTS = CURVE_SHARES.length + 2;

/**
 * Runs the text once per threshold while really skipping, on the backend that will run the adapter: its MACs count the
 * low-rank additions too.
 *
 * @returns the adapter with its measured curve; as it is where gates are known too late to skip
 */
export async function calibrateTrained(
  { backend, model, recipe, threads, signal }: TrainRequest,
  adapter: GateAdapter,
  windows: readonly Int32Array[],
  onProgress: (done: number, total: number) => void,
): Promise<GateAdapter> {
  if (adapter.gates.spec.position === 'after') return adapter;
  const { protectedBranches, pinnedTokens, kv } = adapter.calibration;
  const pacer = new Pacer('Calibrating the adapter', signal, ({ done, total }) => onProgress(done, total));
  const runner = await backend.load(model, { adapter, ...(threads !== undefined && { threads }), ...(signal && { signal }) });
  try {
    const scores = await denseScores(
      runner,
      windows,
      { protectedBranches, pinnedTokens, kv },
      loraStrengthAt(recipe.lora?.fullAt, 0),
      pacer,
      signal,
    );
    const free = scores.map((_, branch) => branch).filter((branch) => !protectedBranches.includes(branch));
    const thresholds = recipe.skip.rule === 'static' ? [STATIC_THRESHOLD] : thresholdsAt(scores, free, CURVE_SHARES);
    const strengths = loraStrengths(recipe, model.config, scores, free, thresholds);
    const input: CurveInput = {
      windows,
      heldOut: [],
      thresholds,
      protectedBranches,
      pinnedTokens,
      kv,
      qualityRows: 1,
      ...(strengths && { loraStrengths: strengths }),
    };
    return withCurve(adapter, await measureCurve(runner, input, pacer, signal), scores);
  } finally {
    await runner.close();
  }
}

/**
 * Share of the low-rank additions for threshold 0 and each threshold, as in training: by the budget that the threshold will
 * about save. Whatever the estimate is off by does no harm, as the curve says what was measured with which share.
 */
function loraStrengths(
  { lora }: TrainRequest['recipe'],
  config: ModelConfig,
  scores: readonly Float64Array[],
  free: readonly number[],
  thresholds: readonly number[],
): readonly number[] | undefined {
  const fullAt = lora?.fullAt;
  if (fullAt === undefined) return undefined;
  const dense = denseRowMacs(config, MAX_ROWS / 2);
  const savedAt = (threshold: number): number =>
    free.reduce((sum, branch) => {
      const list = scores[branch]!;
      const share = list.filter((score) => score <= threshold).length / Math.max(1, list.length);
      return sum + (share * branchMacs(config, branch, MAX_ROWS / 2)) / dense;
    }, 0);
  return [0, ...thresholds.map(savedAt)].map((saved) => loraStrengthAt(fullAt, saved).loraStrength!);
}
