import type { SkipRecipe } from '../recipes/recipe.js';
import { randomShare } from './random-share.js';

/** Budget of one micro-batch at a progress of 0..1 through the run. */
export function drawBudget(skip: SkipRecipe, seed: number, progress: number, update: number, microBatch: number): number {
  if (skip.rule === 'static') return 1;
  const ramp = skip.rampShare > 0 ? Math.min(1, progress / skip.rampShare) : 1;
  const highest = skip.start + (skip.high - skip.start) * ramp;
  const lowest = Math.min(skip.low, highest);
  return skip.draw === 'top' ? highest : lowest + (highest - lowest) * randomShare(seed, update, microBatch);
}
