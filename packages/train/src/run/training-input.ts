import type { StraightThroughOptions, TrainLoss, TrainStepInput } from '@gateskip/backend';
import { ShapeMismatchError } from '@gateskip/errors';
import type { Plan } from '@gateskip/gate';
import type { MicroBatch, Teacher, TeacherRows } from '../data/training-text.js';
import type { TrainingRecipe } from '../recipes/recipe.js';
import type { SkipPlanner } from './skip-planner.js';

/** A micro-batch with what the dense model says of it. */
export interface TaughtBatch {
  readonly batch: MicroBatch;
  readonly teacher: TeacherRows;
  /** Sum of its row weights. */
  readonly weight: number;
}

/** Asks the teacher about every segment. */
export async function teach(batch: MicroBatch, teacher: Teacher, signal?: AbortSignal): Promise<TaughtBatch> {
  // All at once: a teacher may run them side by side.
  const parts = await Promise.all(batch.sequences.map((sequence) => teacher.rows(sequence, signal)));
  const rows = batch.tokens.length;
  const count = parts[0]?.count ?? 0;
  const all: TeacherRows = {
    count,
    tokens: new Int32Array(rows * count),
    logProbabilities: new Float32Array(rows * count),
    tailMass: new Float32Array(rows),
  };
  let start = 0;
  for (const [index, part] of parts.entries()) {
    const length = batch.segmentLengths[index] as number;
    if (part.tailMass.length !== length || part.count !== count)
      throw new ShapeMismatchError(`Teacher rows of segment ${index}`, [length, count], [part.tailMass.length, part.count]);
    all.tokens.set(part.tokens, start * count);
    all.logProbabilities.set(part.logProbabilities, start * count);
    all.tailMass.set(part.tailMass, start);
    start += length;
  }
  return { batch, teacher: all, weight: batch.rowWeights.reduce((sum, weight) => sum + weight, 0) };
}

/** What each row should predict: the token after it in its segment, -1 for the last. */
function nextTokens({ tokens, segmentLengths }: MicroBatch): Int32Array {
  const targets = new Int32Array(tokens.length);
  targets.set(tokens.subarray(1));
  let end = 0;
  for (const length of segmentLengths) {
    end += length;
    targets[end - 1] = -1;
  }
  return targets;
}

/** @param divisor sum of the row weights of all micro-batches of the update */
export function trainingInput(
  taught: TaughtBatch,
  plan: Plan,
  recipe: Pick<TrainingRecipe, 'loss' | 'straightThrough' | 'batch'>,
  divisor: number,
  planner: Pick<SkipPlanner, 'wantsScores' | 'savings'>,
): TrainStepInput {
  const { batch, teacher } = taught;
  const { loss, straightThrough } = recipe;
  const skips = plan.rules.some((rule, branch) => rule !== 'keep' && plan.values[branch]! > 0);
  const parts: TrainLoss = {
    rowWeights: batch.rowWeights,
    ...(loss.teacher && { teacher: { ...teacher, weight: loss.teacher.weight, divisor } }),
    ...(loss.crossEntropy && { crossEntropy: { targets: nextTokens(batch), weight: loss.crossEntropy.weight, divisor } }),
    // The mean over the micro-batches of an update.
    ...(loss.gates && { gates: { ...loss.gates, weight: loss.gates.weight / recipe.batch.accumulate } }),
  };
  return {
    tokens: batch.tokens,
    segmentLengths: batch.segmentLengths,
    plan,
    // Where nothing can skip, skipped rows need no computing.
    ...(straightThrough && skips && { straightThrough: surrogate(straightThrough, planner, batch) }),
    loss: parts,
    want: { scores: planner.wantsScores },
  };
}

function surrogate(
  { temperature, holdsBudget, taught }: NonNullable<TrainingRecipe['straightThrough']>,
  planner: Pick<SkipPlanner, 'savings'>,
  { segmentLengths }: MicroBatch,
): StraightThroughOptions {
  return {
    temperature,
    ...(taught && { taught }),
    ...(holdsBudget && {
      // A stand-in may cost a small branch more than the branch.
      savings: planner.savings(segmentLengths).map((saving) => Math.max(0, saving)),
    }),
  };
}

/** The divergence from the dense model, as a mean over rows: for looks at the curve, whatever the loss is. */
export function judgingInput({ batch, teacher }: TaughtBatch, plan: Plan, wantsScores: boolean): TrainStepInput {
  return {
    tokens: batch.tokens,
    segmentLengths: batch.segmentLengths,
    plan,
    loss: { rowWeights: batch.rowWeights, teacher: { ...teacher, weight: 1 } },
    want: { scores: wantsScores },
  };
}
