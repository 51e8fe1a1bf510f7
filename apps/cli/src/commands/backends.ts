import type { Command } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addBackendsCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('backends')
    .summary('list the backends')
    .description('Lists the backends in the order in which auto tries them: what each would run on here, or why it cannot.');
  addCommonOptions(command);
  addExamples(command, ['gateskip backends', 'gateskip backends --json']);
  command.action(() => perform(context, command, async (output) => (await import('../verbs/backends.js')).backends(output)));
}
