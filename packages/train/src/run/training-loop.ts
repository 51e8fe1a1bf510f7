import type { Trainer, TrainStepResult } from '@gateskip/backend';
import { AbortedError } from '@gateskip/errors';
import type { Teacher } from '../data/training-text.js';
import type { AdamW } from '../optimizer/adam-w.js';
import { clipGradients } from '../optimizer/gradient-clipping.js';
import { learningRateAt } from '../optimizer/learning-rate.js';
import type { TrainingRecipe } from '../recipes/recipe.js';
import { drawBudget } from './budget-draw.js';
import { TrainingDivergedError } from './errors.js';
import { curveScore, type HeldOutCurve } from './held-out-curve.js';
import type { RunClock } from './run-clock.js';
import type { RunState } from './run-state.js';
import type { SkipPlanner } from './skip-planner.js';
import type { TextStream } from './text-stream.js';
import { type TaughtBatch, teach, trainingInput } from './training-input.js';

/** One update, for the log. */
export interface StepReport {
  readonly step: number;
  readonly tokens: number;
  readonly loss: number;
  readonly parts: TrainStepResult['parts'];
  /** Budgets of the micro-batches, what they held, and the thresholds or shares used. */
  readonly asked: readonly number[];
  readonly netSaved: readonly number[];
  readonly values: readonly number[];
  readonly agreement: number;
  readonly gradientNorm: number;
  /** Of the highest rates. */
  readonly rateShare: number;
  readonly ms: number;
}

export interface LoopRequest {
  readonly recipe: TrainingRecipe;
  readonly trainer: Trainer;
  readonly optimizer: AdamW;
  readonly planner: SkipPlanner;
  readonly stream: TextStream;
  readonly teacher: Teacher;
  readonly clock: RunClock;
  /** Changed step by step; at every await outside of an update it says what the arrays are. */
  readonly state: RunState;
  readonly look: () => Promise<HeldOutCurve>;
  readonly onStep: (report: StepReport) => Promise<void>;
  /** After the look that may follow a step: what is kept here goes on as if nothing had happened. */
  readonly afterStep: () => Promise<void>;
  readonly lastCheckpoint: () => string | undefined;
  readonly signal?: AbortSignal;
}

/** Schedules know whole steps; a run's progress is a share. */
const SCHEDULE_STEPS = 1_000_000;

/** Share of the highest learning rates at a share of the run. */
export function rateShare({ schedule, warmupShare, floor }: TrainingRecipe['optimizer'], progress: number): number {
  const step = Math.min(SCHEDULE_STEPS - 1, Math.floor(progress * SCHEDULE_STEPS));
  return learningRateAt(
    { shape: schedule, peak: 1, warmupSteps: Math.floor(warmupShare * SCHEDULE_STEPS), totalSteps: SCHEDULE_STEPS, floor },
    step,
  );
}

/** Learning rate of each array: that of its group. */
export function groupRates(trainer: Trainer, recipe: TrainingRecipe): (name: string) => { learningRate: number } {
  const rates: Readonly<Record<string, number>> = recipe.optimizer.rates;
  const groups = new Map(trainer.parameters.map(({ name, group }) => [name, group]));
  return (name) => ({ learningRate: rates[groups.get(name) ?? ''] ?? 0 });
}

/**
 * Updates until the tokens or the time are over, or the held-out curve has not become better for long.
 *
 * @throws TrainingDivergedError, AbortedError, and what the trainer and the teacher throw; the state is then that of the
 *   last whole update, but for a diverged run
 */
export async function trainingLoop(request: LoopRequest): Promise<'tokens' | 'time' | 'patience'> {
  const { recipe, state, clock, signal } = request;
  for (;;) {
    if (state.tokens >= recipe.tokens) return 'tokens';
    // With a deadline the schedule is over when the time is.
    if (state.progress >= 1 || clock.isOver) return 'time';
    if (signal?.aborted) throw new AbortedError('Training');
    await request.onStep(await update(request));
    if (state.tokens - state.lookedAt >= recipe.heldOut.everyTokens && state.tokens < recipe.tokens) {
      state.looks.push(await request.look());
      state.lookedAt = state.tokens;
    }
    await request.afterStep();
    if (isStale(state.looks, recipe.heldOut.patience)) return 'patience';
  }
}

/** Whether the last `patience` looks were no better than the best before them. */
export function isStale(looks: readonly HeldOutCurve[], patience: number): boolean {
  if (patience === 0 || looks.length <= patience) return false;
  const scores = looks.map(curveScore);
  return Math.min(...scores.slice(-patience)) >= Math.min(...scores.slice(0, -patience));
}

async function update(request: LoopRequest): Promise<StepReport> {
  const { recipe, trainer, optimizer, planner, stream, state, clock, signal } = request;
  const startedMs = performance.now();
  // Taken back where the update is not made.
  const before = { planner: planner.state(), position: stream.position };
  const step = state.step + 1;
  try {
    const taught: TaughtBatch[] = [];
    for (let i = 0; i < recipe.batch.accumulate; i++) taught.push(await teach(stream.next(), request.teacher, signal));
    const divisor = taught.reduce((sum, { weight }) => sum + weight, 0);
    const tokens = taught.reduce((sum, { batch }) => sum + batch.tokens.length, 0);
    const share = clock.share(state.progress, tokens);
    const sums = { loss: 0, agreement: 0, parts: {} as Record<string, number> };
    const asked: number[] = [];
    const netSaved: number[] = [];
    const values: number[] = [];
    trainer.zeroGradients();
    for (const [index, one] of taught.entries()) {
      const budget = drawBudget(recipe.skip, recipe.seed, state.progress, state.step, index);
      const { segmentLengths } = one.batch;
      const plan = planner.plan(budget, segmentLengths);
      const result = await trainer.step(trainingInput(one, plan, recipe, divisor, planner), signal);
      planner.observe(result, plan, segmentLengths, budget);
      sums.loss += result.loss;
      for (const [name, value] of Object.entries(result.parts)) sums.parts[name] = (sums.parts[name] ?? 0) + (value as number);
      sums.agreement += ((result.teacherAgreement ?? 0) * one.weight) / divisor;
      asked.push(budget);
      netSaved.push(1 - result.macs / result.denseMacs);
      values.push(Math.max(...plan.values));
    }
    checkLoss(request, sums.loss, step);
    const gradientNorm = await clipGradients(trainer.parameters, recipe.optimizer.clip);
    if (!Number.isFinite(gradientNorm))
      throw new TrainingDivergedError('gradient', gradientNorm, undefined, step, request.lastCheckpoint());
    const rate = rateShare(recipe.optimizer, state.progress + share / 2);
    // From here to the end nothing may fail: arrays and state change together.
    await optimizer.update(rate);
    const ms = performance.now() - startedMs;
    state.step = step;
    state.tokens += tokens;
    // Shares of many steps may miss 1 by their rounding.
    state.progress = state.progress + share > 1 - 1e-9 ? 1 : state.progress + share;
    state.elapsedMs += ms;
    state.position = stream.position;
    clock.took(ms);
    const { loss, parts, agreement } = sums;
    return { step, tokens, loss, parts, asked, netSaved, values, agreement, gradientNorm, rateShare: rate, ms };
  } catch (error) {
    planner.restore(before.planner);
    throw error;
  }
}

function checkLoss({ recipe, lastCheckpoint }: LoopRequest, loss: number, step: number): void {
  if (!Number.isFinite(loss)) throw new TrainingDivergedError('loss', loss, undefined, step, lastCheckpoint());
  if (loss > recipe.lossAbove) throw new TrainingDivergedError('loss', loss, recipe.lossAbove, step, lastCheckpoint());
}
