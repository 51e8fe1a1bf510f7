import type { Command } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import type { ModelsOptions } from '../verbs/models.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addModelsCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('models')
    .summary('list or remove cached models')
    .description(
      'Lists the models in the cache and the short names. The cache is GATESKIP_CACHE_DIR, else the usual folder of the platform.',
    )
    .option('--remove <name>', 'remove a model by reference, short name or id')
    .option('--check', 'hash every file; ends with 3 where one is damaged');
  addCommonOptions(command);
  addExamples(command, ['gateskip models', 'gateskip models --check --json', 'gateskip models --remove smollm2-135m']);
  command.action((options: ModelsOptions) =>
    perform(context, command, async (output) => (await import('../verbs/models.js')).models(options, output)),
  );
}
