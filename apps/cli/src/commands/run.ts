import type { Command } from 'commander';
import { addBudgetOptions } from '../options/budget-options.js';
import { addCommonOptions } from '../options/common-options.js';
import { addGenerationOptions } from '../options/generation-options.js';
import { addAdapterOptions, addBackendOptions, addSourceOptions, modelArgument } from '../options/model-options.js';
import { wholeNumber } from '../options/parsers.js';
import type { RunOptions } from '../verbs/run.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addRunCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('run')
    .summary('answer one prompt')
    .description(
      'Answers one prompt: text to stdout as it comes, numbers to stderr. The prompt is the argument, --file, or what is piped in.',
    )
    .argument('<model>', modelArgument)
    .argument('[prompt]', 'the prompt; - reads it from stdin')
    .option('-f, --file <file>', 'read the prompt from a file')
    .option('--raw', "send the prompt as it is, without the model's chat template")
    .option('--system <text>', 'system message, for models with a chat template')
    .option('--logprobs <n>', 'with --json: log-probabilities of each token and of the n likeliest (0..20)', wholeNumber(0, 20));
  addBudgetOptions(command);
  addAdapterOptions(command);
  addGenerationOptions(command);
  addBackendOptions(command);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip run smollm2-135m "Why is the sky blue?"',
    'gateskip run smollm2-135m "Why is the sky blue?" --budget 15%',
    'gateskip run model.gguf --file prompt.txt --budget net=85% --adapter gates.safetensors --json',
    'echo "Once upon a time" | gateskip run model.gguf --raw -n 64 --temperature 0.8 --seed 7',
    "gateskip run model.gguf 'Hi' --budget 10% --policy static --policy-option 'layers=[12,13]'",
  ]);
  command.action((model: string, prompt: string | undefined, options: RunOptions) =>
    perform(context, command, async (output) => (await import('../verbs/run.js')).run(model, prompt, options, output)),
  );
}
