import { InvalidArgumentError } from '@gateskip/errors';
import type { FloatArray } from '@gateskip/gate';
import { inChunks } from './in-chunks.js';

/** Euclidean norm of all gradients as one vector, summed in double precision. Not finite = training diverged. */
export async function gradientNorm(parameters: readonly { readonly gradient: FloatArray }[]): Promise<number> {
  let sum = 0;
  for (const { gradient } of parameters) {
    await inChunks(gradient.length, (start, end) => {
      for (let i = start; i < end; i++) sum += gradient[i]! * gradient[i]!;
    });
  }
  return Math.sqrt(sum);
}

/**
 * Scales all gradients by `min(1, maxNorm / (norm + 1e-6))`, so that as one vector they are no longer than `maxNorm`
 * (Pascanu et al., 2013). Gradients whose norm is not finite stay as they are: look at what is returned.
 *
 * @returns the norm before
 */
export async function clipGradients(parameters: readonly { readonly gradient: FloatArray }[], maxNorm: number): Promise<number> {
  if (!(maxNorm > 0)) throw new InvalidArgumentError(`maxNorm must be above 0, got ${maxNorm}.`);
  const norm = await gradientNorm(parameters);
  const scale = maxNorm / (norm + 1e-6);
  if (!Number.isFinite(norm) || scale >= 1) return norm;
  for (const { gradient } of parameters) {
    await inChunks(gradient.length, (start, end) => {
      for (let i = start; i < end; i++) gradient[i]! *= scale;
    });
  }
  return norm;
}
