import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount } from '@gateskip/gate';
import { branchRules } from '../branch-rules.js';
import { fixedPolicy } from '../fixed-policy.js';
import { readIndices, readNamedOptions } from '../options.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { checkContext } from '../requirements.js';

/**
 * Given branches (`branches`) or whole layers (`layers`) are dropped for every token but the pinned ones. What they amount
 * to is the policy's `budget`; the asked one plays no part. Gates are off. A branch that is also protected is refused.
 */
export const staticDrop: PolicyFactory = {
  name: 'static',
  description: 'given branches or layers are dropped for all tokens',
  source: 'ShortGPT, arXiv 2403.03853 (dropping whole layers)',
  couplesSequences: false,
  needs: [],
  promises: 'exact',
  create(context: PolicyContext): Policy {
    checkContext(staticDrop, context);
    const { shape, options = {} } = context;
    const count = branchCount(shape);
    const branches = readIndices(options, 'branches', count);
    const layers = readIndices(options, 'layers', shape.layers);
    if (branches === undefined && layers === undefined) {
      throw new InvalidArgumentError('Policy static needs to know what to drop.', 'Give option branches or layers, a list of indices.');
    }
    const isDropped = new Uint8Array(count);
    for (const branch of branches ?? []) isDropped[branch] = 1;
    for (const layer of layers ?? []) isDropped.fill(1, 2 * layer, 2 * layer + 2);
    const { kv, pinnedTokens, standIns } = readNamedOptions(context, ['branches', 'layers'], isDropped);
    const rules = branchRules(
      'repeat',
      isDropped.map((flag) => 1 - flag),
    );
    const plan = { scorer: 'none', rules, values: new Float32Array(count), kv, ...standIns } as const;
    const dropped = isDropped.reduce((sum, flag) => sum + flag, 0);
    // Everything is no share that a budget can name.
    const skip = Math.min(dropped / count, 1 - Number.EPSILON);
    return { ...fixedPolicy(staticDrop, context, plan, pinnedTokens), budget: { skip } };
  },
};
