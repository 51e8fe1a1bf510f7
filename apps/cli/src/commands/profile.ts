import type { Command } from 'commander';
import { Option } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import { addBackendOptions, addSourceOptions, modelArgument } from '../options/model-options.js';
import { wholeNumber } from '../options/parsers.js';
import type { ProfileVerbOptions } from '../verbs/profile.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addProfileCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('profile')
    .summary('measure what dropping each layer and branch costs')
    .description(
      'Runs text through the dense model and measures, per layer, the block influence (ShortGPT) and, per branch, the KL divergence of removing it, its relative norm and its mean output. The file serves policies static-influence and static-kl (--profile). The text comes from --text, or the model writes it itself.',
    )
    .argument('<model>', modelArgument)
    .requiredOption('-o, --out <file>', 'profile to write (JSON)')
    .option('-t, --text <files...>', 'text, UTF-8, or .jsonl of conversations')
    .option('--tokens <n>', 'tokens at most (default: 4096)', wholeNumber(32, 4_194_304))
    .option('--window <n>', 'longest piece run at once (default: 256)', wholeNumber(16, 2048))
    .option('--removal-tokens <n>', 'tokens at most that are run without each branch (default: 512)', wholeNumber(16, 1_048_576))
    .option('--removal-rows <n>', 'predictions compared for each branch (default: 256)', wholeNumber(1, 65_536))
    .option('--pinned <n>', 'first tokens of a piece that are neither measured nor dropped (default: 4)', wholeNumber(0, 15))
    .addOption(
      new Option('--kv <mode>', 'K and V of tokens that skip attention (default: project)').choices(['project', 'absent', 'alias']),
    )
    .option('--force', 'replace an existing file');
  addBackendOptions(command);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip profile smollm2-135m --out profile.json',
    'gateskip profile model.gguf --text notes.txt --out profile.json',
    'gateskip run model.gguf "Hello" --budget net=85% --policy static-kl --profile profile.json',
  ]);
  command.action((model: string, options: ProfileVerbOptions) =>
    perform(context, command, async (output) => (await import('../verbs/profile.js')).profile(model, options, output)),
  );
}
