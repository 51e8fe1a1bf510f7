import type { Command } from 'commander';
import { addBudgetOptions } from '../options/budget-options.js';
import { addCommonOptions } from '../options/common-options.js';
import { addGenerationOptions } from '../options/generation-options.js';
import { addAdapterOptions, addBackendOptions, addSourceOptions, modelArgument } from '../options/model-options.js';
import type { ChatOptions } from '../verbs/chat.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addChatCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('chat')
    .summary('talk with a model')
    .description('A conversation: each line is a message. /help lists commands. Lines may also be piped in; then an error ends the chat.')
    .argument('<model>', modelArgument)
    .option('--system <text>', 'system message');
  addBudgetOptions(command);
  addAdapterOptions(command);
  addGenerationOptions(command);
  addBackendOptions(command);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip chat smollm2-135m',
    'gateskip chat smollm2-135m --budget 15% --temperature 0.7 --system "Answer in one sentence."',
    'printf "Hello\\n/budget 20%%\\nAnd again\\n" | gateskip chat smollm2-135m --json',
  ]);
  command.action((model: string, options: ChatOptions) =>
    perform(context, command, async (output) => (await import('../verbs/chat.js')).chat(model, options, output)),
  );
}
