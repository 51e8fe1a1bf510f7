import type { RunSetting } from '@gateskip/evaluate';
import { UsageError } from '../errors.js';
import type { Output } from '../output/output.js';
import type { OpenModel } from '../session/with-model.js';
import type { StandInSource } from './eval-stand-ins.js';

export interface EvalRunOptions {
  readonly budget?: readonly string[];
  readonly policy?: readonly string[];
  readonly policyOption?: Readonly<Record<string, unknown>>;
  readonly kv?: 'project' | 'absent' | 'alias';
  readonly profile?: string;
  readonly dense: boolean;
  readonly standIns?: StandInSource;
}

/** Every policy under every budget, dense first. */
export async function runsOf(options: EvalRunOptions, open: OpenModel, output: Output): Promise<readonly RunSetting[]> {
  const { budget: texts = [], policyOption, kv, profile: profilePath, standIns } = options;
  const { parseBudget, policies: known, UnknownPolicyError } = await import('@gateskip/scheduler');
  if (texts.length === 0 && (options.policy || policyOption || kv || profilePath || standIns))
    throw new UsageError('A policy without a budget skips nothing.', 'Give --budget, e.g. --budget net=85%.', { what: '--budget' });
  if (texts.length === 0 && !options.dense) throw new UsageError('There is nothing to run.', 'Give --budget, or leave --no-dense out.');
  const names = known.map(({ name }) => name);
  for (const name of options.policy ?? []) if (!names.includes(name)) throw new UnknownPolicyError(name, names);
  let { policy: policies } = options;
  if (policies === undefined && !open.chosen && texts.length > 0) {
    output.warn('there are no gates for these weights: branches are skipped at random');
    policies = ['random'];
  }
  const { profile } = open;
  const policyOptions = { ...policyOption, ...(kv && { kv }), ...(standIns === 'none' && { standIns: false }) };
  const runs: RunSetting[] = options.dense ? [{}] : [];
  for (const policy of policies ?? [undefined])
    for (const text of texts)
      runs.push({
        budget: parseBudget(text),
        ...(policy !== undefined && { policy }),
        ...(Object.keys(policyOptions).length > 0 && { policyOptions }),
        ...(profile !== undefined && { profile }),
      });
  return runs;
}
