import type { Trainer } from '@gateskip/backend';
import { InvalidArgumentError } from '@gateskip/errors';
import { type GateAdapter, loraNames } from '@gateskip/model';
import type { TrainingRecipe } from '../recipes/recipe.js';

/**
 * Goes on from what an adapter changes in the model. All of it must be trained again, in the same form: what is not would be
 * lost.
 *
 * @throws InvalidArgumentError
 */
export function takeBackbone(trainer: Trainer, recipe: TrainingRecipe, { name, backbone }: GateAdapter): void {
  if (backbone === undefined) return;
  const values = new Map(trainer.parameters.map((parameter) => [parameter.name, parameter.value]));
  const take = (array: string, from: ArrayLike<number>): void => {
    const value = values.get(array);
    if (value?.length !== from.length)
      throw refuse(`holds ${array} of ${from.length} numbers, which the recipe does not train in that form`);
    value.set(from);
  };
  const refuse = (why: string) =>
    new InvalidArgumentError(`Adapter "${name}" ${why}.`, 'Start from gates alone, or with a recipe that trains the same.', {
      what: 'start',
    });
  const { lora, norms } = backbone;
  if (lora) {
    if (recipe.lora?.rank !== lora.rank || recipe.lora.alpha !== lora.alpha)
      throw refuse(
        `has low-rank additions of rank ${lora.rank} and alpha ${lora.alpha}, the recipe ${recipe.lora ? `${recipe.lora.rank} and ${recipe.lora.alpha}` : 'none'}`,
      );
    for (const [layer, matrices] of lora.layers.entries()) {
      for (const matrix of lora.matrices) {
        const names = loraNames(layer, matrix);
        take(names.down, matrices[matrix]!.down);
        take(names.up, matrices[matrix]!.up);
      }
    }
  }
  for (const [norm, weights] of norms ?? []) take(norm, weights);
}
