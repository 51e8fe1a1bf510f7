import type { Command } from 'commander';

export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Options that every command has. */
export function addCommonOptions(command: Command): Command {
  return command
    .option('--json', 'print one JSON document on stdout and nothing else there, also for errors')
    .option('-q, --quiet', 'no progress and no summary on stderr');
}
