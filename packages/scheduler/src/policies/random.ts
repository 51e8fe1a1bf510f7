import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount, densePlan } from '@gateskip/gate';
import { branchRules, branchValues } from '../branch-rules.js';
import { calibratedShares, checkUniformReach, uniformShareOf } from '../branch-shares.js';
import { PolicyNeedsError } from '../errors.js';
import { fixedPolicy } from '../fixed-policy.js';
import { type CommonOptions, readInteger, readNamedOptions, readOptions } from '../options.js';
import type { Budget, Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { checkContext } from '../requirements.js';
import { resolveTarget } from '../target.js';

/**
 * Random tokens skip, the baseline of every comparison: gates are off and cost nothing. Options:
 *
 * - `seed`: u32, default 0.
 * - `shares`: `uniform` (default); `calibrated`, the shares per branch that one global threshold gave in calibration at the
 *   same budget; or a list of shares, one per branch, e.g. those that another policy held. A list says itself what is
 *   skipped: the policy's `budget` is what it amounts to, the asked one plays no part.
 *
 * The share is held in expectation, there is no controller.
 */
export const random: PolicyFactory = {
  name: 'random',
  description: 'random tokens skip; uniform, calibrated or given shares per branch',
  source: 'baseline of GateSkip, arXiv 2510.13876',
  couplesSequences: false,
  needs: [],
  promises: 'long-run',
  create(context: PolicyContext): Policy {
    checkContext(random, context);
    const seed = readInteger(context.options ?? {}, 'seed', 0, 0xffff_ffff) ?? 0;
    const { options, values, budget } = sharesOf(context);
    if (values === undefined) return fixedPolicy(random, context, densePlan(branchCount(context.shape)), 0);
    const { isProtected, kv, pinnedTokens, standIns } = options;
    const plan = { scorer: 'random', rules: branchRules('threshold', isProtected), values, kv, seed, ...standIns } as const;
    return { ...fixedPolicy(random, context, plan, pinnedTokens), budget };
  },
};

interface Shares {
  readonly options: CommonOptions;
  /** [2L]; undefined where nothing skips. */
  readonly values: Float32Array | undefined;
  readonly budget: Budget;
}

function sharesOf(context: PolicyContext): Shares {
  const { shape, calibration, budget } = context;
  const shares = context.options?.shares ?? 'uniform';
  if (Array.isArray(shares)) return givenShares(context, shares);
  if (shares !== 'uniform' && shares !== 'calibrated') {
    throw new InvalidArgumentError(
      `Policy option shares must be uniform, calibrated or a list of ${branchCount(shape)} shares, got ${JSON.stringify(shares)}.`,
    );
  }
  const options = readOptions(context, ['seed', 'shares']);
  const target = resolveTarget(context, options.contextTokens);
  if (target.value <= 0) return { options, values: undefined, budget };
  if (shares === 'calibrated') {
    if (calibration === undefined) throw new PolicyNeedsError(random.name, 'calibration');
    return { options, values: Float32Array.from(calibratedShares(random.name, context, calibration, options, target)), budget };
  }
  checkUniformReach(random.name, context, undefined, options, target);
  const share = uniformShareOf(shape, undefined, options, target.axis)(target.value);
  return { options, values: branchValues(share, options.isProtected), budget };
}

function givenShares(context: PolicyContext, shares: readonly unknown[]): Shares {
  const branches = branchCount(context.shape);
  const isShare = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 1;
  if (shares.length !== branches || !shares.every(isShare)) {
    throw new InvalidArgumentError(
      `Policy option shares must be ${branches} numbers in 0..1, one per branch, got ${shares.length} values.`,
      '',
      {
        what: 'shares',
        expected: branches,
        got: shares.length,
      },
    );
  }
  const values = Float32Array.from(shares);
  const skip = values.reduce((sum, share) => sum + share, 0) / branches;
  const options = readNamedOptions(context, ['seed', 'shares'], values);
  return { options, values: skip > 0 ? values : undefined, budget: { skip: Math.min(skip, 1 - Number.EPSILON) } };
}
