import { InvalidArgumentError } from '@gateskip/errors';
import type { Model } from '@gateskip/model';
import type { Backend, LoadOptions } from '../contract.js';

/** How far a backend may be from the oracle. State what your number formats imply; do not tune until green. */
export interface Tolerance {
  /** Relative L2 distance of one row of logits. */
  readonly logits: number;
  /** Absolute distance of one score. */
  readonly scores: number;
  /** Relative L2 distance of one row of a branch's input or output, the latter against the residual stream it joins. */
  readonly hidden: number;
}

/** Enough for float32 arithmetic: some ten matrix products in a row, each off by sqrt(100) x 2^-24, and room for cancellation. */
export const FLOAT32_TOLERANCE: Tolerance = { logits: 2e-5, scores: 1e-5, hidden: 2e-5 };

export interface ConformanceOptions {
  /** The backend under test. */
  readonly backend: Backend;
  /** What is right: the reference backend. */
  readonly oracle: Backend;
  /** Default: {@link FLOAT32_TOLERANCE}. A function where it depends on the model, e.g. on its tensor types. */
  readonly tolerance?: Tolerance | ((model: Model) => Tolerance);
  /** How the backend under test is loaded, e.g. `{ threads: 2, extra: { isa: 'avx2' } }`. */
  readonly load?: Pick<LoadOptions, 'threads' | 'extra'>;
}

/** The tolerance that the options state for a model. @throws InvalidArgumentError where a part of it is no tolerance */
export function toleranceFor(options: ConformanceOptions, model: Model): Tolerance {
  const stated = options.tolerance ?? FLOAT32_TOLERANCE;
  const tolerance = typeof stated === 'function' ? stated(model) : stated;
  for (const part of ['logits', 'scores', 'hidden'] as const) {
    // A comparison with NaN or undefined would let everything pass.
    if (!(tolerance[part] >= 0 && tolerance[part] < 1))
      throw new InvalidArgumentError(`tolerance.${part} must be in 0..1, got ${tolerance[part]}.`);
  }
  return tolerance;
}

/** One check. Wire the list into any test runner. */
export interface ConformanceCase {
  readonly name: string;
  /** Throws where the backend is wrong. Resolves to a reason where the backend declares that it does not do this. */
  run(): Promise<string | undefined>;
}
