import type { SkipTrace } from '../src/index.js';

/** Scores fall with depth and vary by token; what lies at or below 0.4 skips; the first token never does. */
export function makeTrace(count: number, layers: number, texts?: readonly string[], promptTokens = Math.min(3, count)): SkipTrace {
  const branches = 2 * layers;
  const scores = new Float32Array(count * branches);
  const kept = new Uint8Array(count * branches);
  for (let token = 0; token < count; token++) {
    for (let branch = 0; branch < branches; branch++) {
      const score = token === 0 ? 0.95 : ((token * 7 + branch * 3) % 20) / 20 + 0.02;
      scores[token * branches + branch] = score;
      kept[token * branches + branch] = score <= 0.4 ? 0 : 1;
    }
  }
  return {
    tokens: Array.from({ length: count }, (_, index) => index),
    texts: texts ?? Array.from({ length: count }, (_, index) => ` t${index}`),
    branches,
    scores,
    kept,
    promptTokens,
  };
}
