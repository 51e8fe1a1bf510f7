import { InvalidArgumentError } from '@gateskip/errors';
import { parseBudget, validateBudget } from './budget.js';
import type { Budget, PolicyContext } from './policy.js';
import { resolveTarget, type Target } from './target.js';

/**
 * Option `promptBudget`: what the prompt's rows may skip where that is not what the answer's may; a budget or its text.
 *
 * @throws InvalidBudgetError
 */
export function promptBudgetOf(options: Readonly<Record<string, unknown>> | undefined): Budget | undefined {
  const value = options?.promptBudget;
  if (value === undefined) return undefined;
  return typeof value === 'string' ? parseBudget(value) : validateBudget(value as Budget);
}

/**
 * {@link promptBudgetOf} on the axis of the budget itself.
 *
 * @throws InvalidBudgetError, InvalidArgumentError where one of the two is a share of evaluations and the other of MACs: what the
 *   prompt held is the first estimate of what the answer will
 */
export function promptTargetOf(context: PolicyContext, target: Target, contextTokens: number): Target | undefined {
  const budget = promptBudgetOf(context.options);
  if (budget === undefined) return undefined;
  const own = resolveTarget({ budget, shape: context.shape }, contextTokens);
  if (own.axis === target.axis) return own;
  throw new InvalidArgumentError(
    `promptBudget ${own.asked} and the budget ${target.asked} do not speak of the same thing.`,
    'Give both as skip, or both as net or speedup.',
    { what: 'promptBudget', got: own.asked },
  );
}
