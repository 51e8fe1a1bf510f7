import { branchCount } from '@gateskip/gate';
import { orderedLadder } from '../ladder.js';
import { ladderPolicy } from '../ladder-policy.js';
import type { PolicyFactory } from '../policy.js';
import { savedMacs } from '../saved-macs.js';

/**
 * Single branches are dropped for every token, in the order of the KL divergence that a profile measured for dropping that
 * branch alone, divided by the MACs that it saves. The last branch of the budget is dropped for some tokens only, in a
 * regular pattern. The order takes the divergences to add up. They do not where many branches of one kind go: on the model we
 * measured it falls behind whole layers by block influence at 15 % saved.
 */
export const staticKl: PolicyFactory = {
  name: 'static-kl',
  description: 'single branches of least measured KL per MAC saved are dropped for all tokens (needs a profile)',
  source: 'gateskip; dropping attention and MLP apart as a baseline of GateSkip, arXiv 2510.13876',
  couplesSequences: false,
  needs: ['profile'],
  promises: 'at-most',
  create: (context) =>
    ladderPolicy(staticKl, context, ({ isProtected, kv, contextTokens }) => {
      const branches = branchCount(context.shape);
      const price = context.profile!.removalKl.map((kl, branch) => kl / savedMacs(context.shape, branch, contextTokens, kv));
      const order = Array.from({ length: branches }, (_, branch) => branch)
        .filter((branch) => !isProtected[branch])
        .sort((a, b) => price[a]! - price[b]! || a - b);
      return orderedLadder(
        branches,
        order.map((branch) => [branch]),
      );
    }),
};
