import { createHash } from 'node:crypto';
import type { Runner } from '@gateskip/backend';
import { InvalidArgumentError } from '@gateskip/errors';
import { defaultPolicyName, formatBudget, type Policy, UnreachableBudgetError } from '@gateskip/scheduler';
import { labelOf, needsScores, policyOf, type RunSetting } from './run-setting.js';

export interface Run {
  readonly setting: RunSetting;
  readonly label: string;
  /** Undefined: dense. */
  readonly policy: Policy | undefined;
  readonly needsScores: boolean;
}

export interface OpenedRuns {
  readonly runs: readonly Run[];
  /** Budgets that a policy cannot reach. */
  readonly unreached: readonly { readonly label: string; readonly reason: string }[];
}

/** Makes the policies, so that what is impossible is said before minutes are spent. @throws InvalidArgumentError, and what policies throw */
export function openRuns(settings: readonly RunSetting[], runner: Runner): OpenedRuns {
  const runs: Run[] = [];
  const unreached: { label: string; reason: string }[] = [];
  for (const setting of settings) {
    const label = labelOf(setting);
    if (runs.some((run) => run.label === label))
      throw new InvalidArgumentError(`Two runs are called "${label}".`, 'Ask for each policy and budget once.');
    try {
      runs.push({ setting, label, policy: policyOf(setting, runner.config, runner.adapter), needsScores: needsScores(setting) });
    } catch (error) {
      if (!(error instanceof UnreachableBudgetError)) throw error;
      unreached.push({ label, reason: error.message });
    }
  }
  if (runs.length === 0) {
    const [first] = unreached;
    throw new InvalidArgumentError(first ? `No run is possible: ${first.reason}` : 'There is nothing to run.', 'Ask for another budget.');
  }
  return { runs, unreached };
}

/** A run as results name it. */
export function describeRun({ setting, label, policy }: Run) {
  const { budget, policyOptions } = setting;
  return {
    label,
    policy: policy === undefined ? 'dense' : (setting.policy ?? defaultPolicyName),
    policyOptions: policyOptions ?? null,
    budgetAsked: budget === undefined ? null : formatBudget(budget),
  };
}

/** Everything about a run that its results depend on, for the journal. */
export function identifyRun(run: Run) {
  const { profile } = run.setting;
  return {
    ...describeRun(run),
    profileSha256: profile === undefined ? null : hashOf(JSON.stringify([profile.blockInfluence, profile.removalKl])),
  };
}

/** Of the gates, the calibration and the changes to the model that a runner was loaded with. */
export function adapterHash({ adapter }: Runner): string | null {
  if (adapter === undefined) return null;
  const { name, provenance, calibration, gates, backbone } = adapter;
  const hash = createHash('sha256').update(JSON.stringify([name, provenance, calibration, gates.spec]));
  const arrays = [...gates.gates.flatMap((gate) => Object.values(gate) as unknown[]), ...(gates.standIns ?? [])];
  if (backbone) {
    const { lora, norms } = backbone;
    hash.update(JSON.stringify([lora?.rank, lora?.alpha, lora?.matrices, [...(norms?.keys() ?? [])]]));
    for (const layer of lora?.layers ?? []) for (const factors of Object.values(layer)) arrays.push(factors.down, factors.up);
    arrays.push(...(norms?.values() ?? []));
  }
  for (const values of arrays)
    if (ArrayBuffer.isView(values)) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return hash.digest('hex');
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
