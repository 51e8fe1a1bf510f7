import { InvalidArgumentError, ShapeMismatchError, UnsupportedError } from '@gateskip/errors';
import { branchCount } from '@gateskip/gate';
import { validateBudget } from './budget.js';
import { PolicyNeedsError } from './errors.js';
import type { PolicyContext, PolicyFactory } from './policy.js';
import { checkProfile } from './profile.js';

/**
 * What every policy checks before it reads anything: the budget, what it needs, and that the calibration is of this model.
 *
 * @throws InvalidBudgetError, PolicyNeedsError, UnsupportedError, InvalidArgumentError, ShapeMismatchError
 */
export function checkContext(factory: PolicyFactory, context: PolicyContext): void {
  const { shape, gates, calibration } = context;
  if (!Number.isInteger(shape.layers) || shape.layers < 1 || shape.layers > 4096) {
    throw new InvalidArgumentError(`Layers must be an integer in 1..4096, got ${shape.layers}.`);
  }
  validateBudget(context.budget);
  for (const need of factory.needs) {
    if (need !== 'scores' && context[need] === undefined) throw new PolicyNeedsError(factory.name, need);
  }
  if (gates?.position === 'after' && factory.needs.includes('gates')) {
    throw new UnsupportedError(
      `Policy ${factory.name} cannot skip by gates that read the branch's output: the score comes too late.`,
      "Use an adapter whose gates have position 'before'.",
    );
  }
  const branches = branchCount(shape);
  for (const branch of calibration?.protectedBranches ?? []) {
    if (!Number.isInteger(branch) || branch < 0 || branch >= branches) {
      throw new InvalidArgumentError(
        `The calibration protects branch ${branch}, the model has ${branches}.`,
        'The adapter was made for another model.',
      );
    }
  }
  if (context.profile !== undefined) checkProfile(context.profile, shape.layers);
  for (const row of calibration?.branchSkips ?? []) {
    if (row.length !== branches)
      throw new ShapeMismatchError('Skip shares of the calibration', [branches], [row.length], 'The adapter was made for another model.');
  }
}
