import type { Calibration } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import { emptyCalibration } from '../fit/empty-calibration.js';
import type { TrainingRecipe } from '../recipes/recipe.js';
import type { HeldOutCurve } from './held-out-curve.js';
import { loraStrengthAt } from './skip-planner.js';

/** A curve of the points of a look: good enough to try an adapter that is still being trained. */
export function draftCalibration(
  { layers }: ModelConfig,
  recipe: TrainingRecipe,
  protectedBranches: readonly number[],
  { points }: HeldOutCurve,
): Calibration {
  const draft = emptyCalibration(layers, { ...recipe, protectedBranches });
  if (recipe.skip.rule === 'branch-quantile') return draft;
  const strength = (asked: number): { loraStrength?: number } => loraStrengthAt(recipe.lora?.fullAt, asked);
  const curve = [{ threshold: 0, skip: 0, net: 1 - points[0]!.netSaved, ...strength(0) }];
  for (const { asked, value, skipShare, netSaved } of points.slice(1)) {
    const last = curve.at(-1)!;
    if (value > last.threshold && skipShare > last.skip)
      curve.push({ threshold: value, skip: skipShare, net: 1 - netSaved, ...strength(asked) });
  }
  return { ...draft, tokens: 0, curve };
}
