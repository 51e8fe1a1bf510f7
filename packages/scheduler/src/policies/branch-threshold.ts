import { branchCount } from '@gateskip/gate';
import { checkUniformReach, uniformHeld, uniformShareOf } from '../branch-shares.js';
import { heldThresholds } from '../held-thresholds.js';
import { readInteger, readOptions } from '../options.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { promptTargetOf } from '../prompt-budget.js';
import { checkContext } from '../requirements.js';
import { calibratedScores, ScoreWindows } from '../score-windows.js';
import { resolveTarget } from '../target.js';

/** The windows follow the text slowly; what moves from token to token is left to the controller. */
const BIAS_GAIN = 0.5;

/**
 * The published budget, the same share for every branch, made to hold where there is nothing to rank in a step: one
 * threshold per branch, the streaming quantile of that branch's own past scores. Options `window`: how many (default 64);
 * `promptBudget`: what the prompt skips, where not what the answer does.
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
    const options = readOptions(context, ['window', 'promptBudget']);
    const window = readInteger(context.options ?? {}, 'window', 8, 4096) ?? 64;
    const { shape, gates } = context;
    const target = resolveTarget(context, options.contextTokens);
    const promptTarget = promptTargetOf(context, target, options.contextTokens);
    for (const asked of [target, promptTarget ?? target])
      if (asked.value > 0) checkUniformReach(branchThreshold.name, context, gates, options, asked);
    const prior = calibratedScores(context.calibration!, branchCount(shape));
    const shareOf = uniformShareOf(shape, gates, options, target.axis);
    return heldThresholds(branchThreshold, context, {
      options,
      target,
      promptTarget,
      biasGain: BIAS_GAIN,
      range: () => ({
        low: uniformHeld(shape, gates, options, target.axis, 0),
        high: uniformHeld(shape, gates, options, target.axis, 1),
      }),
      source: () => new ScoreWindows(prior, options.isProtected, window, shareOf),
    });
  },
};
