import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount, densePlan, type Plan, type Rule } from '@gateskip/gate';
import { unreachable } from '../branch-shares.js';
import { PolicyNeedsError } from '../errors.js';
import { ANY_SPAN, fixedPolicy } from '../fixed-policy.js';
import { readOptions } from '../options.js';
import { oracleMask } from '../oracle-mask.js';
import type { Policy, PolicyContext, PolicyFactory, SequencePolicy } from '../policy.js';
import { checkReach } from '../reach.js';
import { checkContext } from '../requirements.js';
import { checkObservation, checkRows, checkStart, pinnedRows } from '../sequence-checks.js';
import { resolveTarget } from '../target.js';

/**
 * What a perfect router of its kind would do, for analysis: a first, dense pass over the very text gives the true squared
 * relative norm of every branch's update for every token ({@link SequenceStart.scores}, `updateScores` of @gateskip/train),
 * and the evaluations of least norm per MAC saved skip, over all branches and tokens at once. It knows the whole text, so
 * it cannot generate. Its norms are those of the dense stream: once lower branches skip, the stream is another, which
 * it does not see; and a small update is not always an unimportant one. So it is no upper bound.
 */
export const oracle: PolicyFactory = {
  name: 'oracle',
  description: 'least true update norm per MAC saved, known from a dense pass over the same text (analysis only)',
  source: 'gateskip',
  couplesSequences: false,
  needs: ['scores'],
  promises: 'at-most',
  create(context: PolicyContext): Policy {
    checkContext(oracle, context);
    const options = readOptions(context);
    const { shape } = context;
    const branches = branchCount(shape);
    const target = resolveTarget(context, options.contextTokens);
    if (target.value <= 0) return fixedPolicy(oracle, context, densePlan(branches), 0);
    const { isProtected, kv, pinnedTokens, standIns, standInMacs } = options;
    checkReach(
      oracle.name,
      shape,
      options,
      isProtected.map((flag) => 1 - flag),
      target,
    );
    const rules = Array.from(isProtected, (flag): Rule => (flag ? 'keep' : 'threshold'));
    const values = new Float32Array(branches).fill(0.5);
    const plan = (mask: Float32Array, position: number, rows: number): Plan => {
      const tokens = mask.length / branches;
      if (position + rows > tokens) {
        throw new InvalidArgumentError(
          `The oracle knows ${tokens} tokens, a plan up to token ${position + rows} was asked for.`,
          'It cannot generate: run it over the text that its scores are of.',
        );
      }
      const scores = new Float32Array(branches * rows);
      for (let branch = 0; branch < branches; branch++) {
        const from = branch * tokens + position;
        scores.set(mask.subarray(from, from + rows), branch * rows);
      }
      const pinned = pinnedRows(position, rows, pinnedTokens);
      return { scorer: 'given', rules, values, kv, scores, ...standIns, ...(pinned && { pinned }) };
    };
    const sequence = (mask: Float32Array, next: number): SequencePolicy => ({
      wantsScores: false,
      spanAt: () => ANY_SPAN,
      plan(position, rows) {
        checkRows('Plan', position, rows, ANY_SPAN);
        return plan(mask, position, rows);
      },
      observe(observation) {
        checkObservation(observation, next, ANY_SPAN, branches);
        next += observation.rows;
      },
      fork: () => sequence(mask, next),
    });
    return {
      name: oracle.name,
      budget: context.budget,
      couplesSequences: false,
      open(start) {
        checkStart(start);
        const { scores } = start;
        if (scores === undefined) throw new PolicyNeedsError(oracle.name, 'scores');
        const mask = oracleMask({
          shape,
          scores,
          isProtected,
          pinnedTokens,
          kv,
          standInMacs,
          axis: target.axis,
          allowed: 1 - target.value,
        });
        if (mask === undefined) throw unreachable(oracle.name, target, 0, 'too many scores of the text are not numbers');
        return sequence(mask, 0);
      },
    };
  },
};
