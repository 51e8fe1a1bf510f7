import lora from './lora.json' with { type: 'json' };
import minutes from './minutes.json' with { type: 'json' };
import paper from './paper.json' with { type: 'json' };
import paperFull from './paper-full.json' with { type: 'json' };
import { parseRecipe } from './parse-recipe.js';
import type { TrainingRecipe } from './recipe.js';
import repair from './repair.json' with { type: 'json' };

const files = { minutes, lora, paper, 'paper-full': paperFull, repair } as const;

/** Recipes that come along. */
export type RecipeName = keyof typeof files;

export const recipeNames = Object.keys(files) as readonly RecipeName[];

/** A recipe that comes along: a copy, to be changed at will. */
export function builtInRecipe(name: RecipeName): TrainingRecipe {
  return parseRecipe(structuredClone(files[name]));
}
