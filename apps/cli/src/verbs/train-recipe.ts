import type { TrainingRecipe } from '@gateskip/train';
import { UsageError } from '../errors.js';
import { readTextFile } from '../options/read-text.js';
import type { TrainVerbOptions } from './train.js';

const maxRecipeBytes = 1048576;

/**
 * The recipe of `--recipe` with what single options change.
 *
 * @throws RecipeInvalidError, UsageError, TextInputError
 */
export async function recipeOf(options: TrainVerbOptions): Promise<TrainingRecipe> {
  const { builtInRecipe, parseRecipe, recipeNames } = await import('@gateskip/train');
  const { recipe: named = 'minutes' } = options;
  const name = recipeNames.find((each) => each === named);
  const recipe = name ? builtInRecipe(name) : parseRecipe(await readJson(named, recipeNames));
  const { tokens, lr, rows, seed, kv, drop } = options;
  const changed: Record<string, unknown> = {
    ...recipe,
    ...(tokens !== undefined && { tokens }),
    ...(seed !== undefined && { seed }),
    ...(kv !== undefined && { kv }),
    ...(rows !== undefined && { batch: { ...recipe.batch, rows } }),
    ...(lr !== undefined && { optimizer: { ...recipe.optimizer, rates: { ...recipe.optimizer.rates, ...lr } } }),
    ...(drop !== undefined && { skip: { ...recipe.skip, drop: { branches: [...new Set(drop)].sort((a, b) => a - b) } } }),
  };
  return parseRecipe(changed);
}

async function readJson(path: string, recipeNames: readonly string[]): Promise<unknown> {
  if (!path.endsWith('.json'))
    throw new UsageError(`There is no recipe "${path}".`, `Name ${recipeNames.join(', ')} or a .json file.`, {
      what: '--recipe',
    });
  const text = await readTextFile(path, maxRecipeBytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path} is not JSON: ${(error as Error).message}`, 'Begin with `gateskip train --print-recipe minutes`.', {
      what: '--recipe',
    });
  }
}
