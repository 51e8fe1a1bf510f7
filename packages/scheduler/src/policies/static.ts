import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount } from '@gateskip/gate';
import { branchRules } from '../branch-rules.js';
import { fixedPolicy } from '../fixed-policy.js';
import { readIndices, readOptions } from '../options.js';
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
  create(context: PolicyContext): Policy {
    checkContext(staticDrop, context);
    const { shape, options = {} } = context;
    const count = branchCount(shape);
    const branches = readIndices(options, 'branches', count);
    const layers = readIndices(options, 'layers', shape.layers);
    if (branches === undefined && layers === undefined) {
      throw new InvalidArgumentError('Policy static needs to know what to drop.', 'Give option branches or layers, a list of indices.');
    }
    const dropped = new Set([...(branches ?? []), ...(layers ?? []).flatMap((layer) => [2 * layer, 2 * layer + 1])]);
    // A default protection gives way to what is dropped by name; only a protection by name contradicts it.
    const named: PolicyContext = {
      ...context,
      ...(context.calibration && { calibration: { ...context.calibration, protectedBranches: [] } }),
      options: { protectedBranches: [], ...options },
    };
    const { isProtected, kv, pinnedTokens } = readOptions(named, ['branches', 'layers']);
    for (const branch of dropped) {
      if (isProtected[branch])
        throw new InvalidArgumentError(`Branch ${branch} is both dropped and protected.`, 'Take it out of one of the lists.');
    }
    const isKept = Uint8Array.from({ length: count }, (_, branch) => Number(!dropped.has(branch)));
    const plan = { scorer: 'none', rules: branchRules('repeat', isKept), values: new Float32Array(count), kv } as const;
    return { ...fixedPolicy(staticDrop, context, plan, pinnedTokens), budget: { skip: dropped.size / count } };
  },
};
