import { GateskipError } from '@gateskip/errors';

/** A recipe breaks its own rules; `fields.what` names the field. */
export class RecipeInvalidError extends GateskipError {
  constructor(field: string, message: string, expected: unknown, got: unknown) {
    super('GS_RECIPE_INVALID', `Recipe: ${message}`, 'Compare with `gateskip train --print-recipe minutes`.', {
      what: field,
      expected,
      got,
    });
  }
}
