import { InvalidArgumentError } from '@gateskip/errors';

/** How the learning rate moves over a run. */
export interface LearningRateSchedule {
  readonly shape: 'constant' | 'linear' | 'cosine';
  /** The highest rate. */
  readonly peak: number;
  /** Steps that rise to it in equal parts; default 0. */
  readonly warmupSteps?: number;
  /** Steps of the whole run, warm-up included; not needed for `constant`. */
  readonly totalSteps?: number;
  /** Share of the peak that is left at the end of `linear` and `cosine`, 0..1; default 0. */
  readonly floor?: number;
}

/**
 * Rate of one step, counted from 0. Warm-up: `peak (step + 1) / warmupSteps`. Then with x from 0 at the end of warm-up to
 * 1 at `totalSteps` (and beyond): `linear` `1 - (1 - floor) x`, `cosine` `floor + (1 - floor) (1 + cos(pi x)) / 2`, of
 * the peak (Loshchilov and Hutter, 2017, without restarts). A function of the step alone: nothing to store.
 *
 * @throws InvalidArgumentError
 */
export function learningRateAt(schedule: LearningRateSchedule, step: number): number {
  const { shape, peak, warmupSteps = 0, totalSteps, floor = 0 } = schedule;
  if (!(peak >= 0 && Number.isFinite(peak))) throw new InvalidArgumentError(`peak must be at least 0, got ${peak}.`);
  if (!Number.isInteger(step) || step < 0) throw new InvalidArgumentError(`step must be a non-negative integer, got ${step}.`);
  if (!Number.isInteger(warmupSteps) || warmupSteps < 0)
    throw new InvalidArgumentError(`warmupSteps must be a non-negative integer, got ${warmupSteps}.`);
  if (!(floor >= 0 && floor <= 1)) throw new InvalidArgumentError(`floor must be in 0..1, got ${floor}.`);
  if (shape !== 'constant' && shape !== 'linear' && shape !== 'cosine')
    throw new InvalidArgumentError(`Schedule ${String(shape)} is not known.`, 'Use constant, linear or cosine.');
  if (shape !== 'constant' && !(Number.isInteger(totalSteps) && totalSteps! > warmupSteps))
    throw new InvalidArgumentError(`totalSteps must be an integer above the ${warmupSteps} warm-up steps, got ${totalSteps}.`);
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  if (shape === 'constant') return peak;
  const x = Math.min(1, (step - warmupSteps) / (totalSteps! - warmupSteps));
  if (shape === 'linear') return peak * (1 - (1 - floor) * x);
  return peak * (floor + ((1 - floor) * (1 + Math.cos(Math.PI * x))) / 2);
}
