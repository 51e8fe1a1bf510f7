import { branchCount, type ModelShape, netFromSkips } from '@gateskip/gate';
import { unreachable } from './branch-shares.js';
import type { CommonOptions } from './options.js';
import type { Target } from './target.js';

/** Longer than any context: the attention core is then all that a row costs. */
const LONGEST_CONTEXT = 2 ** 24;

/**
 * Whether a row that drops everything it may holds the target at every context. What it spends, as a share of the dense row,
 * is a quotient of two linear functions of the context: its ends decide.
 *
 * @param isFree 1 = may be dropped: [2L]
 * @throws UnreachableBudgetError
 */
export function checkReach(
  policy: string,
  shape: ModelShape,
  { kv, standInMacs }: Pick<CommonOptions, 'kv' | 'standInMacs'>,
  isFree: Uint8Array,
  target: Target,
): void {
  const count = isFree.reduce((sum, flag) => sum + flag, 0);
  const held = (context: number) => 1 - netFromSkips(shape, undefined, { skipShares: isFree, context, kv, standInMacs });
  const most = target.axis === 'skip' ? count / branchCount(shape) : Math.min(held(1), held(LONGEST_CONTEXT));
  if (target.value > most) throw unreachable(policy, target, most, `${count} of ${isFree.length} branches may be dropped`);
}
