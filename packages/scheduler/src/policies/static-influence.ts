import { branchCount } from '@gateskip/gate';
import { orderedLadder } from '../ladder.js';
import { freeLayers, ladderPolicy } from '../ladder-policy.js';
import type { PolicyFactory } from '../policy.js';

/**
 * The layers that change the residual stream's direction least are dropped for every token, by the block influence that a
 * profile measured. The last layer of the budget is dropped for some tokens only, in a regular pattern.
 */
export const staticInfluence: PolicyFactory = {
  name: 'static-influence',
  description: 'whole layers of least block influence are dropped for all tokens (needs a profile)',
  source: 'ShortGPT, arXiv 2403.03853',
  couplesSequences: false,
  needs: ['profile'],
  promises: 'at-most',
  create: (context) =>
    ladderPolicy(staticInfluence, context, ({ isProtected }) => {
      const influence = context.profile!.blockInfluence;
      const order = freeLayers(isProtected).sort((a, b) => influence[a]! - influence[b]! || a - b);
      return orderedLadder(
        branchCount(context.shape),
        order.map((layer) => [2 * layer, 2 * layer + 1]),
      );
    }),
};
