import {
  AdamW,
  clipGradients,
  decodeAdamWState,
  encodeAdamWState,
  gradientNorm,
  type LearningRateSchedule,
  learningRateAt,
} from '@gateskip/train';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** A parameter whose gradient at step t is a fixed pattern. */
function parametersOf(sizes: readonly number[]) {
  return sizes.map((size, index) => ({
    name: `p${index}`,
    value: Float32Array.from({ length: size }, (_, i) => Math.sin(i + index)),
    gradient: new Float32Array(size),
  }));
}

function setGradients(parameters: ReturnType<typeof parametersOf>, step: number): void {
  for (const [index, { gradient }] of parameters.entries())
    for (let i = 0; i < gradient.length; i++) gradient[i] = Math.cos(7 * step + i * (index + 1));
}

describe('AdamW', () => {
  it('goes on from its stored bytes bit for bit, wherever it was stopped', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 }), async (before, after) => {
        const options = { weightDecay: 0.01, scales: (name: string) => (name === 'p1' ? { learningRate: 3, weightDecay: 0 } : {}) };
        const straight = parametersOf([5, 3]);
        const optimizer = new AdamW(straight, options);
        let stored: Uint8Array | undefined;
        let values: Float32Array[] = [];
        for (let step = 0; step < before + after; step++) {
          if (step === before) {
            stored = encodeAdamWState(optimizer.state());
            values = straight.map(({ value }) => value.slice());
          }
          setGradients(straight, step);
          await optimizer.update(0.01);
        }
        if (stored === undefined) return;
        const resumed = parametersOf([5, 3]);
        for (const [i, { value }] of resumed.entries()) value.set(values[i]!);
        const second = new AdamW(resumed, options);
        second.restore(decodeAdamWState(stored));
        for (let step = before; step < before + after; step++) {
          setGradients(resumed, step);
          await second.update(0.01);
        }
        expect(resumed).toEqual(straight);
        expect(second.state()).toEqual(optimizer.state());
      }),
    );
  });

  it('leaves a value of zero gradient to the decay alone', async () => {
    const [parameter] = parametersOf([4]);
    const start = parameter!.value.slice();
    await new AdamW([parameter!], { weightDecay: 0.5 }).update(0.1);
    expect(parameter!.value).toEqual(start.map((value) => value * (1 - 0.1 * 0.5)));
  });

  it('lets the event loop turn and refuses a second update meanwhile', async () => {
    const parameters = parametersOf([3_000_000]);
    const optimizer = new AdamW(parameters);
    let turns = 0;
    const clock = setInterval(() => turns++, 1);
    const running = optimizer.update(0.1);
    await expect(optimizer.update(0.1)).rejects.toMatchObject({ code: 'GS_BUSY' });
    expect(() => optimizer.state()).toThrow(expect.objectContaining({ code: 'GS_BUSY' }));
    await running;
    clearInterval(clock);
    expect(turns).toBeGreaterThan(0);
    expect(optimizer.state().step).toBe(1);
  });

  it.each([{ beta1: 1 }, { beta2: -0.1 }, { epsilon: 0 }, { weightDecay: Number.NaN }, { scales: () => ({ learningRate: -1 }) }])(
    'refuses %j',
    (options) => {
      expect(() => new AdamW(parametersOf([2]), options)).toThrow(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
    },
  );

  it('refuses rates, names and states that do not fit, and stays as it was', async () => {
    const twice = [...parametersOf([2]), ...parametersOf([2])];
    expect(() => new AdamW(twice)).toThrow(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
    const optimizer = new AdamW(parametersOf([2, 3]));
    await expect(optimizer.update(Number.NaN)).rejects.toMatchObject({ code: 'GS_INVALID_ARGUMENT' });
    const before = optimizer.state();
    const fewer = new AdamW(parametersOf([2])).state();
    expect(() => optimizer.restore(fewer)).toThrow(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
    const longer = new AdamW(parametersOf([2, 4])).state();
    expect(() => optimizer.restore(longer)).toThrow(expect.objectContaining({ code: 'GS_SHAPE_MISMATCH' }));
    expect(optimizer.state()).toEqual(before);
  });
});

describe('stored optimiser states', () => {
  it('are refused where they are damaged', async () => {
    const optimizer = new AdamW(parametersOf([2, 3]));
    await optimizer.update(0.1);
    const bytes = encodeAdamWState(optimizer.state());
    expect(decodeAdamWState(bytes)).toEqual(optimizer.state());
    const refused = expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' });
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeAdamWState(bytes.subarray(0, length)), `${length} bytes`).toThrow(refused);
    for (let at = 0; at < 20; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0x80;
      expect(() => decodeAdamWState(damaged), `byte ${at}`).toThrow(refused);
    }
  });
});

describe('clipping', () => {
  it('never makes gradients longer than asked, nor changes short ones or their direction', async () => {
    const entries = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(entries, fc.double({ min: 1e-3, max: 1e3, noNaN: true }), async (values, maxNorm) => {
        const gradient = Float64Array.from(values);
        const norm = await clipGradients([{ gradient }], maxNorm);
        expect(norm).toBeCloseTo(Math.hypot(...values), 6);
        const after = await gradientNorm([{ gradient }]);
        expect(after).toBeLessThanOrEqual(maxNorm * (1 + 1e-12));
        if (norm <= maxNorm - 1e-6) expect(Array.from(gradient)).toEqual(values);
        for (const [i, value] of values.entries()) expect(gradient[i]! * norm).toBeCloseTo(value * after, 6);
      }),
    );
  });

  it('says so and changes nothing where gradients are not finite', async () => {
    const gradient = Float64Array.of(3, Number.NaN);
    expect(await clipGradients([{ gradient }], 1)).toBeNaN();
    expect(gradient[0]).toBe(3);
  });
});

describe('learning rates', () => {
  const schedules = fc.record({
    shape: fc.constantFrom<LearningRateSchedule['shape']>('constant', 'linear', 'cosine'),
    peak: fc.double({ min: 1e-6, max: 1, noNaN: true }),
    warmupSteps: fc.nat({ max: 20 }),
    totalSteps: fc.integer({ min: 21, max: 200 }),
    floor: fc.double({ min: 0, max: 1, noNaN: true }),
  });

  it('rise to the peak, then never rise, and end at the floor', () => {
    fc.assert(
      fc.property(schedules, (schedule) => {
        const rates = Array.from({ length: schedule.totalSteps + 3 }, (_, step) => learningRateAt(schedule, step));
        const slack = schedule.peak * 1e-12;
        for (let step = 1; step < rates.length; step++) {
          if (step < schedule.warmupSteps) expect(rates[step]!).toBeGreaterThan(rates[step - 1]!);
          else if (step > schedule.warmupSteps) expect(rates[step]!).toBeLessThanOrEqual(rates[step - 1]! + slack);
        }
        expect(Math.abs(rates[schedule.warmupSteps]! - schedule.peak)).toBeLessThanOrEqual(slack);
        const end = schedule.shape === 'constant' ? schedule.peak : schedule.peak * schedule.floor;
        expect(Math.abs(rates.at(-1)! - end)).toBeLessThanOrEqual(slack);
      }),
    );
  });

  it.each([
    [{ shape: 'cosine', peak: 1 }, 0],
    [{ shape: 'linear', peak: 1, warmupSteps: 5, totalSteps: 5 }, 0],
    [{ shape: 'constant', peak: -1 }, 0],
    [{ shape: 'constant', peak: 1 }, -1],
    [{ shape: 'step' as 'cosine', peak: 1, totalSteps: 3 }, 0],
  ] as const)('are refused for %j at step %i', (schedule, step) => {
    expect(() => learningRateAt(schedule, step)).toThrow(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
  });
});
