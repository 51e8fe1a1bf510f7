import type { Command } from 'commander';
import { Option } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import { addBackendOptions, addSourceOptions, modelArgument } from '../options/model-options.js';
import { decimalNumber, gatherPairs, wholeNumber, wholeNumbers } from '../options/parsers.js';
import type { TrainVerbOptions } from '../verbs/train.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addTrainCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('train')
    .summary('train gates, stand-ins, low-rank additions or the whole model')
    .description(
      'Trains an adapter by a recipe against the dense model itself: begins with the closed-form fit, lets tokens skip by one threshold while budgets vary, and prints the held-out curve of the start beside the trained one. The text comes from --text, or the model writes it itself (--self, the default).',
    )
    .argument('[model]', modelArgument)
    .option('-o, --out <file>', 'adapter to write')
    .option('--out-model <path>', 'model to write where the recipe trains the backbone: a GGUF file, of a safetensors model a folder')
    .addOption(
      new Option('--model-type <type>', 'how the matrices of --out-model are stored (default: f32)').choices(['f32', 'f16', 'q8_0']),
    )
    .option('-r, --recipe <recipe>', 'minutes, lora, paper, paper-full, repair, or a .json file (default: minutes)')
    .option('--print-recipe <name>', 'print a recipe that comes along, to be copied and changed, and do nothing else')
    .option('-t, --text <files...>', 'text, UTF-8, or .jsonl of instructions')
    .option('--self', 'let the model write the text: answers to built-in prompts')
    .option('--prompts <file>', 'prompts for --self, one a line, plain or JSON')
    .option(
      '--text-tokens <n>',
      'tokens to write with --self (default: 65536), or most that --text may hold',
      wholeNumber(256, 1_073_741_824),
    )
    .option('--text-cache <folder>', "where own text and the dense model's predictions are kept (default: in the run's folder)")
    .option('--start <file>', 'adapter to start from in place of a fit')
    .option('--tokens <n>', "tokens to train on, text seen again counted again (default: the recipe's)", wholeNumber(1, 1_000_000_000_000))
    .option('--minutes <t>', 'end within this time, everything included', decimalNumber(0.01, 100_000))
    .option('--run <folder>', 'checkpoints, log and curve (default: the name of --out with .run)')
    .option('--resume', 'go on with the run in the folder')
    .option('--lr <group=rate>', 'learning rate of gates, standIns, lora, norms or backbone; can be repeated', gatherPairs(5))
    .option('--rows <n>', 'tokens of a micro-batch', wholeNumber(16, 65_536))
    .option('--seed <n>', 'of text order, budgets and new numbers', wholeNumber(0, 4_294_967_295))
    .addOption(new Option('--kv <mode>', 'K and V of tokens that skip attention').choices(['project', 'absent', 'alias']))
    .option('--drop <branches>', 'branches that recipe repair leaves out, e.g. 20,21,24,25', wholeNumbers(0, 8191))
    .option('--profile <file>', 'of `gateskip profile`, for recipes that choose branches by it')
    .addOption(
      new Option('--precision <type>', 'of matrix products (default: bf16; f32 where the processor has none)').choices(['f32', 'bf16']),
    )
    .option('--name <name>', 'name of the adapter')
    .option('--data-description <text>', 'what the text is, for the provenance')
    .option('--data-license <license>', 'licence of the text, for the provenance')
    .option('--force', 'replace existing files');
  addBackendOptions(command);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip train smollm2-135m --text notes.txt --minutes 2 --out adapter.safetensors',
    'gateskip train smollm2-135m --self --tokens 500000 --run runs/one --out adapter.safetensors',
    'gateskip train smollm2-135m --self --tokens 500000 --run runs/one --out adapter.safetensors --resume',
    'gateskip train smollm2-135m --recipe paper-full --text notes.txt --out adapter.safetensors --out-model new.gguf',
    'gateskip train --print-recipe minutes > mine.json',
  ]);
  command.action((model: string | undefined, options: TrainVerbOptions) =>
    perform(context, command, async (output) => (await import('../verbs/train.js')).train(model, options, output)),
  );
}
