import { branchCount } from '@gateskip/gate';
import { branchRules } from '../branch-rules.js';
import { checkUniformReach, uniformHeld, uniformShareOf } from '../branch-shares.js';
import { BudgetController } from '../controller.js';
import { fixedPolicy, fullPlan } from '../fixed-policy.js';
import { readInteger, readOptions } from '../options.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { checkContext } from '../requirements.js';
import { calibratedScores, ScoreWindows } from '../score-windows.js';
import { checkStart } from '../sequence-checks.js';
import { resolveTarget } from '../target.js';
import { ThresholdSequence } from '../threshold-sequence.js';

/** The windows follow the text slowly; what moves from token to token is left to the controller. */
const BIAS_GAIN = 0.5;

/**
 * The published budget, the same share for every branch, made to hold where there is nothing to rank in a step: one
 * threshold per branch, the streaming quantile of that branch's own past scores. Option `window`: how many (default 64).
 */
export const branchThreshold: PolicyFactory = {
  name: 'branch-threshold',
  description: 'the same share for every branch, by a streaming quantile of its own past scores',
  source: 'GateSkip, arXiv 2510.13876 (uniform budgets); streaming quantiles: gateskip',
  couplesSequences: false,
  needs: ['gates', 'calibration'],
  promises: 'long-run',
  create(context: PolicyContext): Policy {
    checkContext(branchThreshold, context);
    const options = readOptions(context, ['window']);
    const window = readInteger(context.options ?? {}, 'window', 8, 4096) ?? 64;
    const { shape, gates } = context;
    const branches = branchCount(shape);
    const target = resolveTarget(context, options.contextTokens);
    if (target.value <= 0) return fixedPolicy(branchThreshold, context, fullPlan(branches, gates), 0);
    checkUniformReach(branchThreshold.name, context, gates, options, target);
    const prior = calibratedScores(context.calibration!, branches);
    const rules = branchRules('threshold', options.isProtected);
    const { intervals, kv, pinnedTokens, standIns } = options;
    const shareOf = uniformShareOf(shape, gates, options, target.axis);
    const low = uniformHeld(shape, gates, options, target.axis, 0);
    const high = uniformHeld(shape, gates, options, target.axis, 1);
    return {
      name: branchThreshold.name,
      budget: context.budget,
      couplesSequences: false,
      open(start) {
        checkStart(start);
        const controller = new BudgetController({
          axis: target.axis,
          asked: target.value,
          low,
          high,
          branches,
          intervals,
          biasGain: BIAS_GAIN,
        });
        const source = new ScoreWindows(prior, options.isProtected, window, shareOf);
        return new ThresholdSequence(
          { rules, kv, standIns, pinnedTokens, promptTokens: start.promptTokens, intervals },
          controller,
          source,
        );
      },
    };
  },
};
