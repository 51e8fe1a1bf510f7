import { BusyError, InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import type { FloatArray } from '@gateskip/gate';
import { inChunks } from './in-chunks.js';

/** What is optimised: a `TrainerParameter`, or anything alike. */
export interface OptimizedParameter {
  readonly name: string;
  readonly value: Float32Array;
  readonly gradient: FloatArray;
}

export interface AdamWOptions {
  /** Decay of the mean of gradients; default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean of their squares; default 0.95, as the published recipe has it. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Default 0. */
  readonly weightDecay?: number;
  /** What differs for single parameters: factors on the learning rate and on the weight decay; default 1 and 1. */
  readonly scales?: (name: string) => { readonly learningRate?: number; readonly weightDecay?: number };
}

/** All that must be kept to go on as if nothing had happened. */
export interface AdamWState {
  /** Updates made so far. */
  readonly step: number;
  /** Per parameter name, as long as the parameter: means of gradients and of their squares. */
  readonly moments: ReadonlyMap<string, { readonly first: Float32Array; readonly second: Float32Array }>;
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019). For update t = 1, 2, ... of a value w with gradient g:
 *
 *     w -= rate * decay * w
 *     m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
 *     w -= rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 *
 * Each update computes in double precision and rounds w, m and v to float32 once; m and v are used as rounded, so a
 * run that stops and goes on from its state gives the same bits.
 */
export class AdamW {
  readonly #parameters: readonly (OptimizedParameter & { readonly rateScale: number; readonly decayScale: number })[];
  readonly #options: Required<Omit<AdamWOptions, 'scales'>>;
  readonly #moments: ReadonlyMap<string, { readonly first: Float32Array; readonly second: Float32Array }>;
  #step = 0;
  #isUpdating = false;

  /** @throws InvalidArgumentError for numbers out of range, names that repeat; ShapeMismatchError for odd gradients */
  constructor(parameters: readonly OptimizedParameter[], options: AdamWOptions = {}) {
    const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0, scales } = options;
    for (const [name, beta] of Object.entries({ beta1, beta2 })) {
      if (!(beta >= 0 && beta < 1)) throw new InvalidArgumentError(`${name} must be at least 0 and below 1, got ${beta}.`);
    }
    if (!(epsilon > 0 && Number.isFinite(epsilon))) throw new InvalidArgumentError(`epsilon must be above 0, got ${epsilon}.`);
    if (!(weightDecay >= 0 && Number.isFinite(weightDecay)))
      throw new InvalidArgumentError(`weightDecay must be at least 0, got ${weightDecay}.`);
    if (new Set(parameters.map(({ name }) => name)).size !== parameters.length)
      throw new InvalidArgumentError('Two parameters have the same name.');
    for (const { name, value, gradient } of parameters) {
      if (gradient.length !== value.length) throw new ShapeMismatchError(`Gradient of ${name}`, [value.length], [gradient.length]);
    }
    this.#parameters = parameters.map(({ name, value, gradient }) => {
      const { learningRate = 1, weightDecay: decay = 1 } = scales?.(name) ?? {};
      if (!(learningRate >= 0 && decay >= 0 && Number.isFinite(learningRate + decay)))
        throw new InvalidArgumentError(`The scales of ${name} must be at least 0, got ${learningRate} and ${decay}.`);
      return { name, value, gradient, rateScale: learningRate, decayScale: decay };
    });
    this.#options = { beta1, beta2, epsilon, weightDecay };
    this.#moments = new Map(
      parameters.map(({ name, value }) => [name, { first: new Float32Array(value.length), second: new Float32Array(value.length) }]),
    );
  }

  /**
   * One update of all values from their gradients, which stay as they are. Touch neither before it is done.
   *
   * @throws InvalidArgumentError, BusyError
   */
  async update(learningRate: number): Promise<void> {
    if (!(learningRate >= 0 && Number.isFinite(learningRate)))
      throw new InvalidArgumentError(`The learning rate must be at least 0, got ${learningRate}.`);
    this.#checkIdle();
    this.#isUpdating = true;
    this.#step++;
    const { beta1, beta2, epsilon, weightDecay } = this.#options;
    const firstBias = 1 - beta1 ** this.#step;
    const secondRoot = Math.sqrt(1 - beta2 ** this.#step);
    for (const { name, value, gradient, rateScale, decayScale } of this.#parameters) {
      const { first, second } = this.#moments.get(name)!;
      const rate = learningRate * rateScale;
      const keep = 1 - rate * weightDecay * decayScale;
      await inChunks(value.length, (start, end) => {
        for (let i = start; i < end; i++) {
          const g = gradient[i]!;
          first[i] = beta1 * first[i]! + (1 - beta1) * g;
          second[i] = beta2 * second[i]! + (1 - beta2) * g * g;
          value[i] = keep * value[i]! - ((rate / firstBias) * first[i]!) / (Math.sqrt(second[i]!) / secondRoot + epsilon);
        }
      });
    }
    this.#isUpdating = false;
  }

  /** What to keep as it lies here, not a copy: the next update changes it. @throws BusyError during an update */
  view(): AdamWState {
    this.#checkIdle();
    return { step: this.#step, moments: this.#moments };
  }

  /** A copy of what to keep. @throws BusyError during an update */
  state(): AdamWState {
    this.#checkIdle();
    const moments = [...this.#moments].map(
      ([name, { first, second }]) => [name, { first: first.slice(), second: second.slice() }] as const,
    );
    return { step: this.#step, moments: new Map(moments) };
  }

  /** Goes on from a kept state. @throws InvalidArgumentError, ShapeMismatchError where it is of other parameters; nothing changes then */
  restore(state: AdamWState): void {
    this.#checkIdle();
    if (!Number.isSafeInteger(state.step) || state.step < 0)
      throw new InvalidArgumentError(`The optimiser's step must be a non-negative integer, got ${state.step}.`);
    const known = [...this.#moments.keys()];
    if (state.moments.size !== known.length || known.some((name) => !state.moments.has(name)))
      throw new InvalidArgumentError(
        `The optimiser's state has ${state.moments.size} parameters, not the ${known.length} of this run.`,
        'Resume with the options that the run began with.',
      );
    for (const [name, { first, second }] of this.#moments) {
      const given = state.moments.get(name)!;
      if (given.first.length !== first.length || given.second.length !== second.length)
        throw new ShapeMismatchError(`Moments of ${name}`, [first.length, second.length], [given.first.length, given.second.length]);
    }
    for (const [name, { first, second }] of this.#moments) {
      first.set(state.moments.get(name)!.first);
      second.set(state.moments.get(name)!.second);
    }
    this.#step = state.step;
  }

  #checkIdle(): void {
    if (this.#isUpdating) throw new BusyError('The optimiser');
  }
}
