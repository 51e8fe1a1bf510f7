import { branchCount, type Plan } from '@gateskip/gate';
import { branchRules } from './branch-rules.js';
import { BudgetController } from './controller.js';
import { fixedPolicy, fullPlan } from './fixed-policy.js';
import type { CommonOptions } from './options.js';
import type { Policy, PolicyContext, PolicyFactory } from './policy.js';
import { promptBudgetOf } from './prompt-budget.js';
import { checkStart } from './sequence-checks.js';
import type { Target } from './target.js';
import { ThresholdSequence, type ThresholdSource } from './threshold-sequence.js';

/** What thresholds are to hold, and how. */
export interface HeldThresholds {
  readonly options: CommonOptions;
  readonly target: Target;
  /** Of the prompt, where it is another; on the same axis. */
  readonly promptTarget: Target | undefined;
  /** Shares on the target's axis that its thresholds can hold; not asked where nothing is to skip. */
  range(): { readonly low: number; readonly high: number };
  /** Share of the newest error that the controller takes over, per 4 tokens. */
  readonly biasGain: number;
  /** Of a new sequence. */
  source(): ThresholdSource;
}

/** A policy of thresholds that stand still within the prompt and are held by a controller per sequence after it. */
export function heldThresholds(factory: PolicyFactory, context: PolicyContext, held: HeldThresholds): Policy {
  const { options, target, promptTarget = target, biasGain } = held;
  const { intervals, kv, pinnedTokens, standIns } = options;
  const branches = branchCount(context.shape);
  const full = fullPlan(branches, context.gates);
  const promptBudget = promptBudgetOf(context.options);
  if (target.value <= 0 && promptTarget.value <= 0) return fixedPolicy(factory, context, full, 0);
  const rules = branchRules('threshold', options.isProtected);
  const planOf = (values: Float32Array): Plan => ({ scorer: 'gate', rules, values, kv, ...standIns });
  return {
    name: factory.name,
    budget: context.budget,
    ...(promptBudget !== undefined && { promptBudget }),
    couplesSequences: false,
    open(start) {
      checkStart(start);
      const { promptTokens } = start;
      const source = held.source();
      const promptPlan = promptTarget.value > 0 ? planOf(source.thresholds(promptTarget.value)) : full;
      const controller =
        target.value > 0
          ? new BudgetController({
              axis: target.axis,
              asked: target.value,
              promptAsked: promptTarget.value,
              ...held.range(),
              branches,
              intervals,
              biasGain,
            })
          : undefined;
      return new ThresholdSequence({ planOf, full, promptPlan, branches, pinnedTokens, promptTokens, intervals }, controller, source);
    },
  };
}
