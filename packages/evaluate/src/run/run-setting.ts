import type { ModelShape } from '@gateskip/gate';
import type { GateAdapter } from '@gateskip/model';
import { type Budget, createPolicy, defaultPolicyName, formatBudget, type Policy, type PolicyContext } from '@gateskip/scheduler';

/** One point on the curve: a policy under a budget. Without a budget: dense. */
export interface RunSetting {
  readonly budget?: Budget;
  /** Default: the scheduler's. */
  readonly policy?: string;
  readonly policyOptions?: Readonly<Record<string, unknown>>;
  /** What a policy was told about the model beforehand, handed on to it as `profile` of its context. */
  readonly profile?: unknown;
  /** Default: policy and budget. Unique within an evaluation. */
  readonly label?: string;
}

export const DENSE_LABEL = 'dense';

export function labelOf(setting: RunSetting): string {
  if (setting.label !== undefined) return setting.label;
  return setting.budget === undefined ? DENSE_LABEL : `${setting.policy ?? defaultPolicyName} ${formatBudget(setting.budget)}`;
}

/** @returns undefined for dense. @throws what {@link createPolicy} throws */
export function policyOf(setting: RunSetting, shape: ModelShape, adapter: GateAdapter | undefined): Policy | undefined {
  const { budget, policy = defaultPolicyName, policyOptions, profile } = setting;
  if (budget === undefined) return undefined;
  const context = {
    shape,
    budget,
    ...(adapter && { gates: adapter.gates.spec }),
    ...(adapter?.calibration && { calibration: adapter.calibration }),
    ...(policyOptions && { options: policyOptions }),
    ...(profile !== undefined && { profile }),
  };
  return createPolicy(policy, context as PolicyContext);
}
