import type { Trainer } from '@gateskip/backend';
import { branchCount, type Calibration } from '@gateskip/gate';
import type { MicroBatch } from '../data/training-text.js';
import { quantilesOf, thresholdsAt } from '../fit/quantiles.js';
import { type SkipPlanner, STATIC_THRESHOLD } from './skip-planner.js';
import { emptyCalibration } from './trained-adapter.js';

/** Shares of the free branches' rows that the points of the curve aim at. */
const CURVE_SHARES = [0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.37, 0.45, 0.55, 0.65, 0.75, 0.85];
/** Times that the text is run: the scores, nothing skipped, every point. */
export const CURVE_POINTS = CURVE_SHARES.length + 2;

export interface TrainedCalibrationRequest {
  readonly trainer: Trainer;
  readonly planner: SkipPlanner;
  readonly batches: readonly MicroBatch[];
  readonly kv: Calibration['kv'];
  readonly protectedBranches: readonly number[];
  readonly pinnedTokens: number;
  readonly isStatic: boolean;
  readonly onProgress: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Runs the text once per threshold while really skipping, as the fit does, on the trained model. */
export async function calibrateTrained(request: TrainedCalibrationRequest): Promise<Calibration> {
  const { trainer, planner, batches, kv, protectedBranches, pinnedTokens, isStatic, onProgress, signal } = request;
  const branches = branchCount(trainer.config);
  const free = Array.from({ length: branches }, (_, branch) => branch).filter((branch) => !protectedBranches.includes(branch));
  const scores = await denseScores(request);
  const thresholds = [0, ...(isStatic ? [STATIC_THRESHOLD] : thresholdsAt(scores, free, CURVE_SHARES))];
  const curve: { threshold: number; skip: number; net: number }[] = [];
  const branchSkips: number[][] = [];
  let tokens = 0;
  for (const [index, threshold] of thresholds.entries()) {
    const sums = { rows: 0, macs: 0, denseMacs: 0, kept: new Float64Array(branches) };
    for (const [done, batch] of batches.entries()) {
      onProgress(index * batches.length + done, thresholds.length * batches.length);
      const result = await trainer.evaluate(measuringInput(batch, planner.planAt(threshold, batch.segmentLengths)), signal);
      sums.rows += batch.tokens.length;
      sums.macs += result.macs;
      sums.denseMacs += result.denseMacs;
      for (let branch = 0; branch < branches; branch++) sums.kept[branch]! += result.kept[branch]!;
    }
    tokens = sums.rows;
    const skips = Array.from(sums.kept, (kept) => 1 - kept / sums.rows);
    const skip = skips.reduce((sum, share) => sum + share, 0) / branches;
    // A higher threshold that skips no more is noise, and a budget has one threshold.
    if (curve.length > 0 && skip <= curve.at(-1)!.skip) continue;
    curve.push({ threshold, skip, net: sums.macs / sums.denseMacs });
    branchSkips.push(skips);
  }
  return {
    ...emptyCalibration(trainer.config.layers, { kv, protectedBranches, pinnedTokens }),
    tokens,
    curve,
    ...quantilesOf(scores),
    branchSkips,
  };
}

/** Scores of all rows but the pinned while nothing skips: [2L][rows]. */
async function denseScores({ trainer, planner, batches, signal }: TrainedCalibrationRequest): Promise<Float64Array[]> {
  const found: number[][] = Array.from({ length: branchCount(trainer.config) }, () => []);
  for (const batch of batches) {
    const plan = planner.planAt(0, batch.segmentLengths);
    const { scores } = await trainer.evaluate({ ...measuringInput(batch, plan), want: { scores: true } }, signal);
    const rows = batch.tokens.length;
    for (const [branch, list] of found.entries()) {
      for (let row = 0; row < rows; row++) if (plan.pinned?.[row] !== 1) list.push(scores![branch * rows + row]!);
    }
  }
  return found.map((list) => Float64Array.from(list));
}

/** A step must have a loss; the cheapest is that of one row. */
function measuringInput(batch: MicroBatch, plan: ReturnType<SkipPlanner['planAt']>) {
  const rowWeights = new Float32Array(batch.tokens.length);
  rowWeights[0] = 1;
  return {
    tokens: batch.tokens,
    segmentLengths: batch.segmentLengths,
    plan,
    loss: { rowWeights, crossEntropy: { targets: new Int32Array(batch.tokens.length), weight: 1 } },
  };
}
