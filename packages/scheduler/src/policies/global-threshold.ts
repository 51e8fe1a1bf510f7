import { branchCount } from '@gateskip/gate';
import { branchValues } from '../branch-rules.js';
import { unreachable } from '../branch-shares.js';
import { budgetCurve, thresholdAt } from '../budget-curve.js';
import { heldThresholds } from '../held-thresholds.js';
import { readOptions } from '../options.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { promptTargetOf } from '../prompt-budget.js';
import { checkContext } from '../requirements.js';
import { resolveTarget } from '../target.js';
import type { ThresholdSource } from '../threshold-sequence.js';

/** Found by simulation: faster follows noise, slower lags behind a text that changes. */
const BIAS_GAIN = 0.3;

/**
 * One threshold for all branches, whose scores lie on one cost-weighted scale: the adapter's calibrated curve turns the
 * budget into it, a controller per sequence removes the drift after the prompt. Option `promptBudget`: what the prompt skips, where not what the answer does.
 */
export const globalThreshold: PolicyFactory = {
  name: 'global-threshold',
  description: 'one calibrated threshold for all branches, held by a controller per sequence',
  source: 'gateskip',
  couplesSequences: false,
  needs: ['gates', 'calibration'],
  promises: 'long-run',
  create(context: PolicyContext): Policy {
    checkContext(globalThreshold, context);
    const options = readOptions(context, ['promptBudget']);
    const { shape, gates } = context;
    const target = resolveTarget(context, options.contextTokens);
    const promptTarget = promptTargetOf(context, target, options.contextTokens);
    const curve = budgetCurve(shape, gates, context.calibration!, options, target.axis);
    for (const asked of [target, promptTarget ?? target]) {
      if (asked.value > 0 && asked.value > curve.measuredEnd) {
        throw unreachable(
          globalThreshold.name,
          asked,
          curve.measuredEnd,
          `the calibration, with ${options.unprotected} of ${branchCount(shape)} branches free, goes no further`,
        );
      }
    }
    const source: ThresholdSource = {
      wantsScores: false,
      thresholds: (used) => branchValues(thresholdAt(curve, used), options.isProtected),
      learn: () => {},
      clone: () => source,
    };
    return heldThresholds(globalThreshold, context, {
      options,
      target,
      promptTarget,
      biasGain: BIAS_GAIN,
      range: () => ({ low: curve.values[0]!, high: curve.values.at(-1)! }),
      source: () => source,
    });
  },
};
