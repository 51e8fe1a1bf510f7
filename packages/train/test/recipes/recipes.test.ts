import { describe, expect, it } from 'vitest';
import { builtInRecipe, parseRecipe, RecipeInvalidError, recipeNames } from '../../src/index.js';

/** A recipe as JSON with one field set, by its path. */
function changed(path: string, value: unknown, name: (typeof recipeNames)[number] = 'lora'): unknown {
  const recipe = JSON.parse(JSON.stringify(builtInRecipe(name))) as Record<string, unknown>;
  const keys = path.split('.');
  let at = recipe;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  if (value === undefined) delete at[keys.at(-1)!];
  else at[keys.at(-1)!] = value;
  return recipe;
}

describe('recipes', () => {
  it.each(recipeNames)('%s can be printed, read back and is the same', (name) => {
    const recipe = builtInRecipe(name);
    expect(recipe.name).toBe(name);
    expect(parseRecipe(JSON.parse(JSON.stringify(recipe)))).toEqual(recipe);
  });

  it('gives copies', () => {
    const first = builtInRecipe('minutes') as unknown as { heldOut: { budgets: number[] } };
    first.heldOut.budgets.push(0.9);
    expect(builtInRecipe('minutes').heldOut.budgets).not.toContain(0.9);
  });

  it.each([
    ['seed', -1],
    ['seed', 1.5],
    ['trainable', ['gates', 'gates']],
    ['trainable', ['weights']],
    ['trainable', []],
    ['lora.rank', 0],
    ['lora.alpha', 0],
    ['lora.matrices', ['head']],
    ['lora', undefined],
    ['kv', 'copy'],
    ['pinnedTokens', 16],
    ['protectedBranches', [3, 2]],
    ['protectedBranches', 'middle'],
    ['skip.high', 1],
    ['skip.low', 0.9],
    ['skip.draw', 'normal'],
    ['skip.rule', 'static'],
    ['gates.importance', 'magnitude'],
    ['straightThrough.temperature', 0],
    ['straightThrough.holdsBudget', 1],
    ['straightThrough.taught', 'kept'],
    ['loss.teacher.count', 2000],
    ['loss.teacher', undefined],
    ['optimizer.rates.gates', 11],
    ['optimizer.rates.lora', undefined],
    ['optimizer.clip', 0],
    ['optimizer.beta2', 1],
    ['batch.rows', 8],
    ['heldOut.budgets', [0.4, 0.1]],
    ['tokens', 0],
    ['tokens', '100'],
    ['lossAbove', Number.NaN],
    ['gates.start', 'new'],
    ['format', 'gateskip.recipe/2'],
  ])('refuses %s = %j and names the field', (path, value) => {
    const error = caught(() => parseRecipe(changed(path, value)));
    expect(error).toBeInstanceOf(RecipeInvalidError);
    const named = (error as RecipeInvalidError).fields.what as string;
    expect(path.startsWith(named) || named.startsWith(path) || path === 'skip.rule' || path === 'seed', `${named} for ${path}`).toBe(true);
    expect((error as Error).message).toContain(`"${named.split('.').at(-1)}"`.length > 2 ? named.split('.').at(-1) : named);
  });

  it.each(['extra', 'skip.extra', 'optimizer.rates.extra', 'gates.extra', 'loss.extra', 'batch.extra'])(
    'refuses the unknown field %s',
    (path) => {
      expect(() => parseRecipe(changed(path, 1))).toThrow(RecipeInvalidError);
    },
  );

  it('keeps together what belongs together', () => {
    expect(() => parseRecipe(changed('skip.drop', { branches: [3] }))).toThrow(RecipeInvalidError);
    expect(() => parseRecipe(changed('trainable', ['gates', 'standIns', 'lora'], 'repair'))).toThrow(RecipeInvalidError);
    expect(() => parseRecipe(changed('skip.drop', undefined, 'repair'))).toThrow(RecipeInvalidError);
    for (const [path, value] of [
      ['skip.rule', 'branch-quantile'],
      ['detachGateInput', false],
    ] as const)
      expect(() => parseRecipe(changed(path, value, 'minutes'))).toThrow('"holdsBudget" needs one threshold');
    expect(parseRecipe(changed('straightThrough.holdsBudget', undefined)).straightThrough).toEqual({ temperature: 0.1, taught: 'skipped' });
    const whole = changed('optimizer.rates', { gates: 0, backbone: 1e-5 }, 'paper') as Record<string, unknown>;
    expect(parseRecipe({ ...whole, trainable: ['backbone', 'gates'] }).trainable).toEqual(['backbone', 'gates']);
    expect(() => parseRecipe({ ...whole, trainable: ['backbone', 'gates', 'norms'] })).toThrow(/optimizer.rates/);
    const both = changed('optimizer.rates.backbone', 0.1) as Record<string, unknown>;
    expect(() => parseRecipe({ ...both, trainable: ['gates', 'standIns', 'lora', 'backbone'] })).toThrow(/lora or backbone/);
    expect(parseRecipe(changed('skip.drop', { branches: [3, 6] }, 'repair')).skip.drop).toEqual({ branches: [3, 6] });
  });

  it.each([null, 5, 'minutes', []])('refuses %j', (value) => {
    expect(() => parseRecipe(value)).toThrow(RecipeInvalidError);
  });
});

function caught(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
