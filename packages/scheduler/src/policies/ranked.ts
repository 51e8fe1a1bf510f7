import { branchCount, type Rule } from '@gateskip/gate';
import { branchRules, branchValues } from '../branch-rules.js';
import { calibratedShares, checkUniformReach, uniformShareOf } from '../branch-shares.js';
import { fixedPolicy, fullPlan } from '../fixed-policy.js';
import { readOptions } from '../options.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { checkContext } from '../requirements.js';
import { resolveTarget } from '../target.js';

/** A policy that leaves the ranking to the step: a share per branch, uniform or as the calibration measured it. */
export function rankedPolicy(factory: PolicyFactory, context: PolicyContext, rule: Rule, shares: 'uniform' | 'calibrated'): Policy {
  checkContext(factory, context);
  const options = readOptions(context);
  const { shape, gates } = context;
  const target = resolveTarget(context, options.contextTokens);
  if (target.value <= 0) return fixedPolicy(factory, context, fullPlan(branchCount(shape), gates), 0);
  const { isProtected, kv, pinnedTokens, standIns } = options;
  let values: Float32Array;
  if (shares === 'calibrated') values = Float32Array.from(calibratedShares(factory.name, context, context.calibration!, options, target));
  else {
    checkUniformReach(factory.name, context, gates, options, target);
    values = branchValues(uniformShareOf(shape, gates, options, target.axis)(target.value), isProtected);
  }
  return fixedPolicy(factory, context, { scorer: 'gate', rules: branchRules(rule, isProtected), values, kv, ...standIns }, pinnedTokens);
}
