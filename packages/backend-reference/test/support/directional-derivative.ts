import type { Trainer, TrainerParameter, TrainStepInput } from '@gateskip/backend';
import { expect } from 'vitest';

const LARGEST_STEP = 1 / 64;
const SMALLEST_STEP = 1 / 16384;

/** The loss along a line through one parameter's values, from one side to the other. */
interface Difference {
  readonly step: number;
  /** What the loss changed, per step. */
  readonly got: number;
  /** What the gradient says it changes over the float32 numbers that were really there, per step. */
  readonly expected: number;
  readonly loss: number;
  /** Which rows were kept on either side. */
  readonly kept: string;
}

/**
 * Compares one parameter's gradient with central differences along a random direction, at steps small enough that no
 * row changes its mind about skipping. One Richardson step takes the error of the differences to fourth order: a tenth of
 * what the halving changed, or the fourth power of the step on the gradient's own scale, bounds what is left, and rounding
 * of the losses adds its part.
 */
export async function expectDirectionalDerivative(
  trainer: Trainer,
  input: TrainStepInput,
  parameter: TrainerParameter,
  random: () => number,
): Promise<void> {
  const { value, name } = parameter;
  const gradient = Float64Array.from(parameter.gradient);
  const start = value.slice();
  const size = Math.sqrt(start.reduce((sum, entry) => sum + entry * entry, 0) / start.length) || 1;
  const direction = Float64Array.from(start, () => size * (2 * random() - 1));
  const seen = { ...input, want: { keptRows: true } };
  const keptAtStart = (await trainer.evaluate(seen)).keptRows!.join('');

  const differenceAt = async (step: number): Promise<Difference> => {
    const moved = new Float64Array(start.length);
    const losses: number[] = [];
    const kept: string[] = [];
    for (const sign of [1, -1]) {
      for (let i = 0; i < start.length; i++) {
        value[i] = start[i]! + sign * step * direction[i]!;
        moved[i]! += sign * value[i]!;
      }
      const result = await trainer.evaluate(seen);
      losses.push(result.loss);
      kept.push(result.keptRows!.join(''));
    }
    value.set(start);
    const expected = gradient.reduce((sum, slope, i) => sum + slope * moved[i]!, 0);
    return { step, got: (losses[0]! - losses[1]!) / step, expected: expected / step, loss: Math.abs(losses[0]!), kept: kept.join() };
  };

  let coarse = await differenceAt(LARGEST_STEP);
  while (coarse.kept !== `${keptAtStart},${keptAtStart}`) {
    expect(coarse.step, `${name}: rows change sides at any step`).toBeGreaterThan(SMALLEST_STEP);
    coarse = await differenceAt(coarse.step / 2);
  }
  const { step } = coarse;
  const fine = await differenceAt(step / 2);
  const error = (4 * (fine.got - fine.expected) - (coarse.got - coarse.expected)) / 3;
  const truncation = Math.abs(fine.got - fine.expected - (coarse.got - coarse.expected));
  const rounding = (2 ** -44 * (1 + coarse.loss)) / step;
  const scale = Math.sqrt(gradient.reduce((sum, slope, i) => sum + (slope * direction[i]!) ** 2, 0));
  expect(truncation, `${name}: differences too coarse to judge`).toBeLessThan(0.02 * scale + rounding);
  const allowed = Math.max(0.1 * truncation, 16 * step ** 4 * scale) + rounding;
  expect(Math.abs(error), `${name}: gradient ${fine.expected}, difference ${fine.got}, step ${step}`).toBeLessThan(allowed);
}

/** Uniform in [0, 1), the same for the same seed. */
export function seededUniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}
