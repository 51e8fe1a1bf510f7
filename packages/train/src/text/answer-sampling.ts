import type { SamplingOptions } from '@gateskip/engine';

/** Most tokens that one is drawn from. So few a backend finds itself; with more, all logits come over and are ranked in JavaScript, a third of the time. */
const MOST_CANDIDATES = 256;

/** How the n-th answer of a text is drawn: of the likeliest tokens that make up 95 %, with a seed of its own. */
export function answerSampling(temperature: number, seed: number, index: number): SamplingOptions {
  return { temperature, topK: MOST_CANDIDATES, topP: 0.95, seed: (seed + 7919 * index) % 4_294_967_296 };
}
