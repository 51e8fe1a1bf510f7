import type { PolicyFactory } from '../policy.js';
import { rankedPolicy } from './ranked.js';

/**
 * The authors' ranking, a research mode: a row skips where its score is at or below the quantile of all scores in the
 * batch, per branch. One sequence's text depends on its batch mates and on how prompts are cut; a lone row never skips.
 */
export const branchQuantile: PolicyFactory = {
  name: 'branch-quantile',
  description: 'published batch ranking: per branch, the interpolated quantile over all rows of the step (research)',
  source: 'GateSkip, arXiv 2510.13876 and its public code',
  couplesSequences: true,
  needs: ['gates'],
  promises: 'none',
  create: (context) => rankedPolicy(branchQuantile, context, 'quantile', 'uniform'),
};
