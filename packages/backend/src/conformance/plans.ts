import { branchCount, densePlan, type KvMode, type Plan, type Rule, type Scorer } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';
import type { BackendRequest } from '../contract.js';

/** A plan with one rule and one value for every branch. */
export function uniformPlan(config: ModelConfig, scorer: Scorer, rule: Rule, value: number, kv: KvMode = 'project'): Plan {
  const branches = branchCount(config);
  return { scorer, rules: new Array<Rule>(branches).fill(rule), values: new Float32Array(branches).fill(value), kv, seed: 7 };
}

/** A plan whose branches take the given rules and values in turn. */
export function mixedPlan(config: ModelConfig, scorer: Scorer, rules: readonly (readonly [Rule, number])[], kv: KvMode): Plan {
  const at = (branch: number) => rules[branch % rules.length]!;
  const branches = Array.from({ length: branchCount(config) }, (_, branch) => branch);
  return {
    scorer,
    rules: branches.map((branch) => at(branch)[0]),
    values: Float32Array.from(branches, (branch) => at(branch)[1]),
    kv,
    seed: 7,
  };
}

export function dense(config: ModelConfig): Plan {
  return densePlan(branchCount(config));
}

/** What to ask `explain` for some plans. */
export function requestOf(...plans: readonly Plan[]): BackendRequest {
  const [first] = plans;
  return { scorer: first!.scorer, kv: first!.kv, rules: [...new Set(plans.flatMap((plan) => plan.rules))] };
}
