import type { Trainer, TrainStepResult } from '@gateskip/backend';
import type { Plan } from '@gateskip/gate';
import type { LoraRowCosts } from '@gateskip/model';
import { stepLoraMacs } from './lora-macs.js';
import type { SkipPlanner } from './skip-planner.js';
import { judgingInput, type TaughtBatch } from './training-input.js';

/** One point of the curve on held-out text. */
export interface HeldOutPoint {
  /** Budget in the terms of the recipe's rule; 0 = nothing may skip. */
  readonly asked: number;
  /** Value of the plan: a threshold, or the share itself. */
  readonly value: number;
  /** Share of the dense layer MACs saved, gates and low-rank additions paid. */
  readonly netSaved: number;
  readonly skipShare: number;
  /** Mean KL to the dense model per row (likeliest tokens and the rest as one class), nats. */
  readonly kl: number;
  /** Share of rows whose likeliest token is the dense model's. */
  readonly agreement: number;
}

export interface HeldOutCurve {
  readonly step: number;
  readonly tokens: number;
  /** The first is budget 0; `netSaved` as it came. */
  readonly points: readonly HeldOutPoint[];
}

interface Sums {
  weight: number;
  kl: number;
  agreed: number;
  rows: number;
  skipped: number;
  macs: number;
  denseMacs: number;
}

export interface HeldOutRequest {
  readonly trainer: Trainer;
  /** One that knows nothing yet. */
  readonly planner: SkipPlanner;
  readonly batches: readonly TaughtBatch[];
  readonly budgets: readonly number[];
  readonly at: { readonly step: number; readonly tokens: number };
  /** Of earlier looks, by budget; changed. */
  readonly corrections: Map<number, number>;
  /** What low-rank additions cost; they are paid like gates. */
  readonly additions: LoraRowCosts;
}

/**
 * Measures the curve. Thresholds come from the scores of the very text at budget 0; since skipping changes scores, what is
 * held differs a little from what was asked, and the next look asks for so much more or less.
 */
export async function heldOutCurve(request: HeldOutRequest, signal?: AbortSignal): Promise<HeldOutCurve> {
  const { trainer, planner, batches, budgets, at, corrections, additions } = request;
  const points: HeldOutPoint[] = [];
  for (const asked of [0, ...budgets.filter((budget) => budget > 0)]) {
    const sums: Sums = { weight: 0, kl: 0, agreed: 0, rows: 0, skipped: 0, macs: 0, denseMacs: 0 };
    const threshold = planner.wantsScores ? planner.threshold(asked, corrections.get(asked)) : undefined;
    let value = 0;
    for (const taught of batches) {
      const { segmentLengths } = taught.batch;
      const plan: Plan = threshold === undefined ? planner.plan(asked, segmentLengths) : planner.planAt(threshold, asked, segmentLengths);
      value = Math.max(...plan.values);
      const wantsScores = asked === 0 && planner.wantsScores;
      const result = await trainer.evaluate(judgingInput(taught, plan, wantsScores), signal);
      if (wantsScores) planner.count(result, plan, segmentLengths);
      add(sums, result, taught);
      if (plan.loraStrength !== 0) sums.macs += stepLoraMacs(result, taught.batch.tokens.length, plan.kv, additions);
    }
    const netSaved = 1 - sums.macs / sums.denseMacs;
    points.push({
      asked,
      value,
      netSaved,
      skipShare: sums.skipped / sums.rows,
      kl: sums.kl / sums.weight,
      agreement: sums.agreed / sums.weight,
    });
    if (asked > 0 && netSaved > 0) corrections.set(asked, Math.min(2, Math.max(0.5, (corrections.get(asked) ?? 1) * (asked / netSaved))));
  }
  return { ...at, points };
}

function add(sums: Sums, result: TrainStepResult, { weight, batch }: TaughtBatch): void {
  sums.weight += weight;
  sums.kl += weight * (result.parts.teacher ?? 0);
  sums.agreed += weight * (result.teacherAgreement ?? 0);
  sums.rows += batch.tokens.length;
  sums.skipped += batch.tokens.length * result.skipShare;
  sums.macs += result.macs;
  sums.denseMacs += result.denseMacs;
}

/** KL of a curve at a net share saved, linear between its points; undefined outside of them. */
export function klAt(curve: HeldOutCurve, netSaved: number): number | undefined {
  return between(curve, netSaved, ({ kl }) => kl);
}

/** Agreement of a curve at a net share saved, linear between its points; undefined outside of them. */
export function agreementAt(curve: HeldOutCurve, netSaved: number): number | undefined {
  return between(curve, netSaved, ({ agreement }) => agreement);
}

function between({ points }: HeldOutCurve, netSaved: number, of: (point: HeldOutPoint) => number): number | undefined {
  const sorted = [...points].sort((a, b) => a.netSaved - b.netSaved);
  for (let i = 1; i < sorted.length; i++) {
    const [low, high] = [sorted[i - 1]!, sorted[i]!];
    if (netSaved < low.netSaved || netSaved > high.netSaved || high.netSaved === low.netSaved) continue;
    const share = (netSaved - low.netSaved) / (high.netSaved - low.netSaved);
    return of(low) + share * (of(high) - of(low));
  }
  return undefined;
}

/** One number of a curve, for early stopping: mean KL over its points. */
export const curveScore = ({ points }: HeldOutCurve): number => points.reduce((sum, { kl }) => sum + kl, 0) / points.length;
