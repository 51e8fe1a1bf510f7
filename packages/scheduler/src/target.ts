import { netFromSpeedup } from '@gateskip/gate';
import { budgetParts, formatBudget } from './budget.js';
import type { PolicyContext } from './policy.js';

/**
 * What is held: `skip`, the share of branch-token evaluations skipped, or `saved`, the share of the dense layer MACs not
 * spent (1 - net). Both grow with the threshold.
 */
export type Axis = 'skip' | 'saved';

/** A budget on one of the two axes. A value at or below 0 asks for nothing to be skipped. */
export interface Target {
  readonly axis: Axis;
  readonly value: number;
  /** As asked, for messages. */
  readonly asked: string;
}

/** @param contextTokens the context at which a speed-up is turned into MACs */
export function resolveTarget({ budget, shape }: Pick<PolicyContext, 'budget' | 'shape'>, contextTokens: number): Target {
  const { unit, value } = budgetParts(budget);
  const asked = formatBudget(budget);
  if (unit === 'skip') return { axis: 'skip', value, asked };
  const net = unit === 'net' ? value : netFromSpeedup(shape, value, contextTokens);
  // Speed-up 1 goes through a division: what is left of rounding is not a wish to skip.
  const saved = 1 - net;
  return { axis: 'saved', value: Math.abs(saved) < 1e-12 ? 0 : saved, asked };
}
