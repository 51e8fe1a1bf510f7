export { quantileThreshold, rankFraction, rankQuantile } from '@gateskip/gate';
export type { BudgetUnit } from './budget.js';
export { budgetParts, formatBudget, parseBudget, validateBudget } from './budget.js';
export { InvalidBudgetError, PolicyNeedsError, SequenceOrderError, UnknownPolicyError, UnreachableBudgetError } from './errors.js';
export type { Intervals } from './intervals.js';
export { fixedIntervals, growingIntervals } from './intervals.js';
export { densePlanOf } from './lora-strength.js';
export { createPolicy, defaultPolicyName, policies } from './policies.js';
export type {
  Budget,
  BudgetPromise,
  Observation,
  Policy,
  PolicyContext,
  PolicyFactory,
  PolicyNeed,
  SequencePolicy,
  SequenceStart,
} from './policy.js';
export type { BranchProfile } from './profile.js';
