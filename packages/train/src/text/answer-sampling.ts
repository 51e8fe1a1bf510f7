import type { SamplingOptions } from '@gateskip/engine';

/** How the n-th answer of a text is drawn: of the likeliest tokens that make up 95 %, with a seed of its own. */
export function answerSampling(temperature: number, seed: number, index: number): SamplingOptions {
  return { temperature, topP: 0.95, seed: (seed + 7919 * index) % 4_294_967_296 };
}
