import type { PolicyFactory } from '../policy.js';
import { rankedPolicy } from './ranked.js';

/** Exact ranking within a step like `branch-fraction`, with the shares per branch that one global threshold gave in calibration. */
export const globalFraction: PolicyFactory = {
  name: 'global-fraction',
  description: 'exact ranking within a step, shares per branch as calibrated under one global threshold',
  source: 'gateskip',
  couplesSequences: false,
  needs: ['gates', 'calibration'],
  promises: 'step-share',
  create: (context) => rankedPolicy(globalFraction, context, 'fraction', 'calibrated'),
};
