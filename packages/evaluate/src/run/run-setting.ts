import { type ModelShape, standInMacs } from '@gateskip/gate';
import type { GateAdapter } from '@gateskip/model';
import { type BranchProfile, type Budget, createPolicy, defaultPolicyName, formatBudget, type Policy, policies } from '@gateskip/scheduler';

/** One point on the curve: a policy under a budget. Without a budget: dense. */
export interface RunSetting {
  readonly budget?: Budget;
  /** Default: the scheduler's. */
  readonly policy?: string;
  readonly policyOptions?: Readonly<Record<string, unknown>>;
  /** Measurements of the dense model, for policies that need them. */
  readonly profile?: BranchProfile;
  /** Default: policy and budget. Unique within an evaluation. */
  readonly label?: string;
}

export const DENSE_LABEL = 'dense';

export function labelOf(setting: RunSetting): string {
  if (setting.label !== undefined) return setting.label;
  return setting.budget === undefined ? DENSE_LABEL : `${setting.policy ?? defaultPolicyName} ${formatBudget(setting.budget)}`;
}

/** Whether its policy must know a text before it runs: an oracle, for analysis. */
export function needsScores({ budget, policy = defaultPolicyName }: RunSetting): boolean {
  return budget !== undefined && policies.find(({ name }) => name === policy)?.needs.includes('scores') === true;
}

/** @returns undefined for dense. @throws what {@link createPolicy} throws */
export function policyOf(setting: RunSetting, shape: ModelShape, adapter: GateAdapter | undefined): Policy | undefined {
  const { budget, policy = defaultPolicyName, policyOptions, profile } = setting;
  if (budget === undefined) return undefined;
  return createPolicy(policy, {
    shape,
    budget,
    ...(adapter && { gates: adapter.gates.spec, standInMacs: standInMacs(adapter.gates) }),
    ...(adapter?.calibration && { calibration: adapter.calibration }),
    ...(policyOptions && { options: policyOptions }),
    ...(profile && { profile }),
  });
}
