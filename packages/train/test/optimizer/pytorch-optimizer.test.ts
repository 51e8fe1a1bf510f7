import { readFileSync } from 'node:fs';
import { AdamW, clipGradients, type LearningRateSchedule, learningRateAt } from '@gateskip/train';
import { describe, expect, it } from 'vitest';

type Numbers = Readonly<Record<string, readonly number[]>>;

/** Made by tools/oracles/pytorch/make_optimizer_vectors.py. */
interface Fixture {
  readonly adamW: readonly {
    readonly name: string;
    readonly options: { readonly beta1: number; readonly beta2: number; readonly epsilon: number; readonly weightDecay: number };
    readonly maxNorm: number | null;
    readonly start: Numbers;
    readonly steps: readonly {
      readonly gradients: Numbers;
      readonly norm: number | null;
      readonly rate: number;
      readonly values: Numbers;
    }[];
  }[];
  readonly schedules: readonly { readonly schedule: LearningRateSchedule; readonly rates: readonly number[] }[];
}

const fixture = JSON.parse(readFileSync(new URL('../fixtures/pytorch-optimizer.json', import.meta.url), 'utf8')) as Fixture;

describe('AdamW agrees with PyTorch', () => {
  it.each(fixture.adamW.map((vector) => [vector.name, vector] as const))('%s', async (_, { options, maxNorm, start, steps }) => {
    const parameters = Object.entries(start).map(([name, values]) => ({
      name,
      value: Float32Array.from(values),
      gradient: new Float64Array(values.length),
    }));
    const optimizer = new AdamW(parameters, options);
    let travelled = 0;
    for (const [index, { gradients, norm, rate, values }] of steps.entries()) {
      for (const { name, gradient } of parameters) gradient.set(gradients[name]!);
      if (maxNorm !== null) expect(Math.abs((await clipGradients(parameters, maxNorm)) - norm!) / norm!).toBeLessThan(1e-13);
      await optimizer.update(rate);
      travelled += rate;
      for (const { name, value } of parameters) {
        for (const [i, expected] of values[name]!.entries()) {
          // PyTorch computes in float64; here values round once a step and an update carries the rounding of two moments.
          const allowed = (index + 1) * 2 ** -24 * Math.abs(expected) + 4 * travelled * 2 ** -24;
          expect(Math.abs(value[i]! - expected), `${name}[${i}] after step ${index}`).toBeLessThanOrEqual(allowed);
        }
      }
    }
  });
});

describe('learning rates agree with PyTorch', () => {
  it.each(fixture.schedules.map((vector) => [JSON.stringify(vector.schedule), vector] as const))('%s', (_, { schedule, rates }) => {
    for (const [step, expected] of rates.entries())
      expect(Math.abs(learningRateAt(schedule, step) - expected), `step ${step}`).toBeLessThanOrEqual(1e-13 * schedule.peak);
  });
});
