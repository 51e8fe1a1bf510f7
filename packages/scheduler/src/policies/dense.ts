import { branchCount, densePlan } from '@gateskip/gate';
import { fixedPolicy } from '../fixed-policy.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { checkContext } from '../requirements.js';

/** The model as published: nothing skips, gates are off. The asked budget plays no part. */
export const dense: PolicyFactory = {
  name: 'dense',
  description: 'nothing skips, gates are off',
  source: 'gateskip',
  couplesSequences: false,
  needs: [],
  promises: 'exact',
  create(context: PolicyContext): Policy {
    checkContext(dense, context);
    return { ...fixedPolicy(dense, context, densePlan(branchCount(context.shape)), 0), budget: { skip: 0 } };
  },
};
