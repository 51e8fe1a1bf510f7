import type { Command } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addDoctorCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('doctor')
    .summary('say what this machine can do')
    .description(
      'Versions, processor, memory, cache, backends, and the programs that pypi: models need. Ends with 3 where nothing can run.',
    );
  addCommonOptions(command);
  addExamples(command, ['gateskip doctor', 'gateskip doctor --json']);
  command.action(() => perform(context, command, async (output) => (await import('../verbs/doctor.js')).doctor(output)));
}
