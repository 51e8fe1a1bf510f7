import type { Command } from 'commander';
import { Option } from 'commander';
import { gatherPairs } from './parsers.js';

export interface BudgetOptions {
  readonly budget?: string;
  readonly policy?: string;
  readonly policyOption?: Readonly<Record<string, unknown>>;
  readonly profile?: string;
  readonly kv?: 'project' | 'absent' | 'alias';
}

export function addBudgetOptions(command: Command): Command {
  return command
    .option('-b, --budget <budget>', '25% or skip=25%: share of branch evaluations skipped; net=85%: share of the MACs spent; speedup=1.3x')
    .option('--policy <name>', 'how the budget becomes a plan (default: global-threshold)')
    .option('--policy-option <key=value>', 'option of the policy, can be repeated', gatherPairs(32))
    .option('--profile <file>', 'measurements of the model by gateskip profile, for policies static-influence and static-kl')
    .addOption(
      new Option('--kv <mode>', "K and V of tokens that skip attention; default: the adapter's").choices(['project', 'absent', 'alias']),
    );
}
