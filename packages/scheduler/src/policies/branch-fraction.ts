import type { PolicyFactory } from '../policy.js';
import { rankedPolicy } from './ranked.js';

/**
 * Exact ranking within a step, per branch and per sequence: `floor(share * rows)` rows skip. Sequences stay independent,
 * but the rows of one step are ranked together, so text depends on how a prompt is cut into steps, and a lone row (one
 * decode step) never skips. For prefill of whole prompts and for scoring texts.
 */
export const branchFraction: PolicyFactory = {
  name: 'branch-fraction',
  description: 'per branch, exactly the lowest-scored share of the rows of a step',
  source: 'GateSkip, arXiv 2510.13876 (uniform budgets); exact ranking: gateskip',
  couplesSequences: false,
  needs: ['gates'],
  promises: 'step-share',
  create: (context) => rankedPolicy(branchFraction, context, 'fraction', 'uniform'),
};
