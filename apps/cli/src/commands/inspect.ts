import type { Command } from 'commander';
import { Option } from 'commander';
import { addBudgetOptions } from '../options/budget-options.js';
import { addCommonOptions } from '../options/common-options.js';
import { addSamplingOptions } from '../options/generation-options.js';
import { addAdapterOptions, addBackendOptions, addSourceOptions, modelArgument } from '../options/model-options.js';
import { wholeNumber } from '../options/parsers.js';
import type { InspectOptions } from '../verbs/inspect.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addInspectCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('inspect')
    .summary('show what a model is, or what its gates do')
    .description(
      'With a prompt: a heat map, layers x tokens, of scores or of skips. Without: the model, its tensor types, its gates and their curve.',
    )
    .argument('<model>', modelArgument)
    .argument('[prompt]', 'the prompt; - reads it from stdin')
    .option('-f, --file <file>', 'read the prompt from a file')
    .option('--raw', "send the prompt as it is, without the model's chat template")
    .option('--system <text>', 'system message, for models with a chat template')
    .option('-n, --generate <n>', 'tokens of answer in the map', wholeNumber(0, 65_536), 16)
    .option('--scores', 'draw scores (default without a budget)')
    .option('--skips', 'draw what was skipped (default with a budget)')
    .addOption(new Option('--kinds <kinds>', 'branches drawn').choices(['both', 'attention', 'mlp']).default('both'))
    .option('--svg <file>', 'write the map as SVG too')
    .addOption(new Option('--color <colors>', 'colours of the terminal').choices(['auto', 'truecolor', '256', 'none']).default('auto'))
    .option('--width <n>', 'characters of a line (default: the terminal)', wholeNumber(40, 1000))
    .option('--check', 'without a prompt: read every weight; ends with 2 where one is not finite');
  addBudgetOptions(command);
  addAdapterOptions(command);
  addSamplingOptions(command);
  addBackendOptions(command);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip inspect smollm2-135m',
    'gateskip inspect model.gguf --check',
    'gateskip inspect smollm2-135m "The cat sat on the mat." --budget 25% --svg skips.svg',
    'gateskip inspect smollm2-135m "The cat sat on the mat." --scores --kinds mlp --generate 0',
  ]);
  command.action((model: string, prompt: string | undefined, options: InspectOptions) =>
    perform(context, command, async (output) => (await import('../verbs/inspect.js')).inspect(model, prompt, options, output)),
  );
}
