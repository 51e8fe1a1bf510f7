import { branchCount } from '@gateskip/gate';
import { branchRules, branchValues } from '../branch-rules.js';
import { unreachable } from '../branch-shares.js';
import { budgetCurve, thresholdAt } from '../budget-curve.js';
import { BudgetController } from '../controller.js';
import { fixedPolicy, fullPlan } from '../fixed-policy.js';
import { readOptions } from '../options.js';
import type { Policy, PolicyContext, PolicyFactory } from '../policy.js';
import { checkContext } from '../requirements.js';
import { checkStart } from '../sequence-checks.js';
import { resolveTarget } from '../target.js';
import { ThresholdSequence, type ThresholdSource } from '../threshold-sequence.js';

/** Found by simulation: faster follows noise, slower lags behind a text that changes. */
const BIAS_GAIN = 0.3;

/**
 * One threshold for all branches, whose scores lie on one cost-weighted scale: the adapter's calibrated curve turns the
 * budget into it, a controller per sequence removes the drift after the prompt.
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
    const options = readOptions(context);
    const { shape, gates } = context;
    const branches = branchCount(shape);
    const target = resolveTarget(context, options.contextTokens);
    if (target.value <= 0) return fixedPolicy(globalThreshold, context, fullPlan(branches, gates), 0);
    const curve = budgetCurve(shape, gates, context.calibration!, options, target.axis);
    if (target.value > curve.measuredEnd) {
      throw unreachable(
        globalThreshold.name,
        target,
        curve.measuredEnd,
        `the calibration, with ${options.unprotected} of ${branches} branches free, goes no further`,
      );
    }
    const rules = branchRules('threshold', options.isProtected);
    const { intervals, kv, pinnedTokens, standIns } = options;
    const source: ThresholdSource = {
      wantsScores: false,
      thresholds: (used) => branchValues(thresholdAt(curve, used), options.isProtected),
      learn: () => {},
      clone: () => source,
    };
    return {
      name: globalThreshold.name,
      budget: context.budget,
      couplesSequences: false,
      open(start) {
        checkStart(start);
        const low = curve.values[0]!;
        const high = curve.values.at(-1)!;
        const controller = new BudgetController({
          axis: target.axis,
          asked: target.value,
          low,
          high,
          branches,
          intervals,
          biasGain: BIAS_GAIN,
        });
        return new ThresholdSequence(
          { rules, kv, standIns, pinnedTokens, promptTokens: start.promptTokens, intervals },
          controller,
          source,
        );
      },
    };
  },
};
