import { UnknownPolicyError } from './errors.js';
import { loraStrengthFor, withLoraStrength } from './lora-strength.js';
import { contextTokensOf } from './options.js';
import { branchFraction } from './policies/branch-fraction.js';
import { branchQuantile } from './policies/branch-quantile.js';
import { branchThreshold } from './policies/branch-threshold.js';
import { dense } from './policies/dense.js';
import { globalFraction } from './policies/global-fraction.js';
import { globalThreshold } from './policies/global-threshold.js';
import { oracle } from './policies/oracle.js';
import { random } from './policies/random.js';
import { staticDrop } from './policies/static.js';
import { staticEven } from './policies/static-even.js';
import { staticInfluence } from './policies/static-influence.js';
import { staticKl } from './policies/static-kl.js';
import type { Budget, Policy, PolicyContext, PolicyFactory } from './policy.js';
import { promptBudgetOf } from './prompt-budget.js';

/** Every policy, the default first. */
export const policies: readonly PolicyFactory[] = [
  globalThreshold,
  branchThreshold,
  branchQuantile,
  branchFraction,
  globalFraction,
  random,
  staticDrop,
  staticEven,
  staticInfluence,
  staticKl,
  oracle,
  dense,
];

/** Used where nobody names a policy. */
export const defaultPolicyName: string = globalThreshold.name;

/**
 * A policy by name.
 *
 * @throws UnknownPolicyError, InvalidBudgetError, UnreachableBudgetError, PolicyNeedsError, InvalidArgumentError,
 *   ShapeMismatchError, UnsupportedError
 */
export function createPolicy(name: string, context: PolicyContext): Policy {
  const factory = policies.find((candidate) => candidate.name === name);
  if (factory === undefined) {
    throw new UnknownPolicyError(
      name,
      policies.map((candidate) => candidate.name),
    );
  }
  const policy = factory.create(context);
  const contextTokens = contextTokensOf(context.options ?? {});
  const strengthAt = (budget: Budget) => loraStrengthFor(budget, context.shape, context.calibration, contextTokens);
  const answer = strengthAt(policy.budget);
  if (answer === undefined) return policy;
  return withLoraStrength(policy, { answer, prompt: strengthAt(promptBudgetOf(context.options) ?? policy.budget) ?? answer });
}
