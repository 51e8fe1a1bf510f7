import { branchCount } from '@gateskip/gate';
import type { Ladder } from '../ladder.js';
import { freeLayers, ladderPolicy } from '../ladder-policy.js';
import type { PolicyFactory } from '../policy.js';

/**
 * Whole layers, evenly spread over those that may skip, are dropped for every token: every second one where half of them go,
 * every third where a third. For a budget between n and n + 1 layers the tokens take the one or the other set in turns.
 */
export const staticEven: PolicyFactory = {
  name: 'static-even',
  description: 'whole layers, evenly spread, are dropped for all tokens (every second layer at half)',
  source: 'Unified Layer Skipping, arXiv 2404.06954 (even spacing); every second layer: public code of GateSkip, arXiv 2510.13876',
  couplesSequences: false,
  needs: [],
  promises: 'at-most',
  create: (context) =>
    ladderPolicy(staticEven, context, ({ isProtected }) => evenLadder(branchCount(context.shape), freeLayers(isProtected))),
};

/** Level n drops n of the layers: those in the middle of n equal parts of the list. */
function evenLadder(branches: number, layers: readonly number[]): Ladder {
  return {
    top: layers.length,
    dropped(level) {
      const dropped = new Uint8Array(branches);
      for (let part = 0; part < level; part++) {
        const layer = layers[Math.floor(((part + 0.5) * layers.length) / level)]!;
        dropped.fill(1, 2 * layer, 2 * layer + 2);
      }
      return dropped;
    },
  };
}
