import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount, densePlan } from '@gateskip/gate';
import { branchRules, branchValues } from '../branch-rules.js';
import { calibratedShares, checkUniformReach, uniformShareOf } from '../branch-shares.js';
import { PolicyNeedsError } from '../errors.js';
import { fixedPolicy } from '../fixed-policy.js';
import { readInteger, readOptions } from '../options.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { checkContext } from '../requirements.js';
import { resolveTarget } from '../target.js';

/**
 * Random tokens skip, the baseline of every comparison: gates are off and cost nothing. Options: `seed` (u32, default 0);
 * `shares`: `uniform` (default), or `calibrated`, the shares per branch that one global threshold gave in calibration.
 * The share is held in expectation, there is no controller.
 */
export const random: PolicyFactory = {
  name: 'random',
  description: 'random tokens skip; uniform or calibrated shares per branch',
  source: 'baseline of GateSkip, arXiv 2510.13876',
  couplesSequences: false,
  needs: [],
  create(context: PolicyContext): Policy {
    checkContext(random, context);
    const options = readOptions(context, ['seed', 'shares']);
    const seed = readInteger(context.options ?? {}, 'seed', 0, 0xffff_ffff) ?? 0;
    const shares = context.options?.shares ?? 'uniform';
    if (shares !== 'uniform' && shares !== 'calibrated') {
      throw new InvalidArgumentError(`Policy option shares must be uniform or calibrated, got ${JSON.stringify(shares)}.`);
    }
    const { shape, calibration } = context;
    const target = resolveTarget(context, options.contextTokens);
    if (target.value <= 0) return fixedPolicy(random, context, densePlan(branchCount(shape)), 0);
    const { isProtected, kv, pinnedTokens } = options;
    let values: Float32Array;
    if (shares === 'calibrated') {
      if (calibration === undefined) throw new PolicyNeedsError(random.name, 'calibration');
      values = Float32Array.from(calibratedShares(random.name, context, calibration, options, target));
    } else {
      checkUniformReach(random.name, context, undefined, options, target);
      values = branchValues(uniformShareOf(shape, undefined, options, target.axis)(target.value), isProtected);
    }
    return fixedPolicy(random, context, { scorer: 'random', rules: branchRules('threshold', isProtected), values, kv, seed }, pinnedTokens);
  },
};
