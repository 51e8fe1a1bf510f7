import type { Command } from 'commander';
import { Option } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import { addBackendOptions, addSourceOptions, modelArgument } from '../options/model-options.js';
import { wholeNumber, wholeNumbers } from '../options/parsers.js';
import type { FitVerbOptions } from '../verbs/fit.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addFitCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('fit')
    .summary('fit gates to a model')
    .description(
      'Fits gates without training: runs the text once, solves for each gate, measures what skipping costs, writes a gate file with the measured curve. The text comes from --text, or the model writes it itself (--self, the default).',
    )
    .argument('<model>', modelArgument)
    .requiredOption('-o, --out <file>', 'gate file to write')
    .option('-t, --text <files...>', 'calibration text, UTF-8, or .jsonl of conversations')
    .option('--self', 'let the model write the text: answers to built-in prompts and continued documents')
    .option('--import <file>', 'take the gates of a checkpoint of the published code (safetensors) and only measure their curve')
    .option('--distill <file>', 'replace the gates of this gate file by scalar ones that say the same, keep all else of it')
    .option('--tokens <n>', 'calibration tokens at most (default: 8192)', wholeNumber(64, 4_194_304))
    .option('--window <n>', 'longest piece run at once (default: 512)', wholeNumber(32, 65_536))
    .option('--seed <n>', 'of the text and of the fit (default: 1)', wholeNumber(0, 4_294_967_295))
    .addOption(
      new Option('--kv <mode>', 'K and V of tokens that skip attention (default: project; alias with --import; kept by --distill)').choices(
        ['project', 'absent', 'alias'],
      ),
    )
    .option(
      '--protect <branches>',
      'branches that never skip, e.g. 0,1,59 (default: the ends of the model; none with --import; kept by --distill)',
      wholeNumbers(0, 8191),
    )
    .option('--pinned <n>', 'first tokens that never skip (default: 4; 0 with --import; kept by --distill)', wholeNumber(0, 15))
    .addOption(
      new Option(
        '--importance <measure>',
        'what gates are fitted to tell: what a skip does to the stream (norm, the default), the same corrected by what skips are seen to cost (measured, the best), or what predictions would lose by a backward pass (fisher)',
      ).choices(['fisher', 'measured', 'norm']),
    )
    .option('--rounds <n>', 'rounds of gates and stand-ins; norm: before branches are weighed (default: 1)', wholeNumber(1, 16))
    .option('--stand-in-rank <n>', 'rank by which stand-ins follow their token; 0: one vector for all (default: 16)', wholeNumber(0, 4096))
    .option('--curve-tokens <n>', 'tokens that each point of the curve is measured on (default: 2048)', wholeNumber(32, 4_194_304))
    .option('--quality-rows <n>', 'held-out rows compared with the dense model (default: 384)', wholeNumber(1, 65_536))
    .option('--memory-mib <n>', 'memory for hidden states (default: 4096)', wholeNumber(1, 1_048_576))
    .option('--name <name>', 'name of the gates')
    .option('--data-description <text>', 'what the text is, for the provenance')
    .option('--data-license <license>', 'licence of the text, for the provenance')
    .option('--force', 'replace an existing file');
  addBackendOptions(command);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip fit smollm2-135m --out gates.safetensors',
    'gateskip fit model.gguf --text notes.txt book.txt --tokens 16384 --out gates.safetensors --data-license CC0-1.0',
    'gateskip fit model.gguf --distill vector.safetensors --text notes.txt --out heads.safetensors',
    'gateskip run model.gguf "Hello" --budget 20% --adapter gates.safetensors',
  ]);
  command.action((model: string, options: FitVerbOptions) =>
    perform(context, command, async (output) => (await import('../verbs/fit.js')).fit(model, options, output)),
  );
}
