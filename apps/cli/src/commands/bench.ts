import type { Command } from 'commander';
import { Option } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import { addAdapterOptions, addBackendOptions, addSourceOptions, modelArgument } from '../options/model-options.js';
import { gatherChoices, wholeNumber, wholeNumberList } from '../options/parsers.js';
import type { BenchOptions } from '../verbs/bench.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

export function addBenchCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('bench')
    .summary('measure speed on this machine')
    .description(
      "Measures decode, a prompt of 512 tokens, budgets, and the machine's own limits, in rounds; prints medians with the lowest and the highest. With --against peers run the same weights by turns. Takes minutes; let the machine rest meanwhile.",
    )
    .argument('<model>', modelArgument)
    .addOption(
      new Option(
        '--against <peers>',
        'race peers that are installed, several times or with commas: node-llama-cpp, llama-cpp-python, onnxruntime-node',
      ).argParser(gatherChoices(['node-llama-cpp', 'llama-cpp-python', 'onnxruntime-node'])),
    )
    .option('--python <program>', 'the Python that has llama-cpp-python (default: GATESKIP_PYTHON, .cache/peers, python3)')
    .option('--quick', 'a short run that shows whether everything works: 2 rounds, 16 tokens, no start-up')
    .option(
      '--rounds <n>',
      'rounds, better an even number, because every second one goes in reverse order (default: 6)',
      wholeNumber(1, 100),
    )
    .option('-n, --tokens <n>', 'tokens of one decode measurement (default: 128)', wholeNumber(4, 4096))
    .option('--skip <list>', 'percentages of branch evaluations to skip (default: 0,10,25,50,75)', wholeNumberList(0, 99, 16))
    .option('--batch <list>', 'decode this many sequences together, e.g. 1,2,4,8 (default: 1,8)', wholeNumberList(1, 256, 16))
    .option('--context <list>', 'also decode after contexts of this many tokens, e.g. 128,512,2048', wholeNumberList(1, 131_072, 16))
    .option('--policy <name>', 'how budgets become plans (default: global-threshold; random where there are no gates)')
    .addOption(
      new Option('--kv <mode>', "K and V of tokens that skip attention; default: the adapter's").choices(['project', 'absent', 'alias']),
    )
    .option('--no-thread-sweep', 'do not measure the backend at other thread counts too')
    .option('--no-startup', 'do not start the program to time its first token')
    .option('--svg <file>', 'chart: time per token against bytes read')
    .option('-o, --out <file>', 'write the JSON report to a file');
  addAdapterOptions(command);
  addBackendOptions(command);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip bench smollm2-135m',
    'gateskip bench smollm2-135m --against node-llama-cpp,llama-cpp-python --json --out report.json',
    'gateskip bench model.gguf --skip 0,25,50 --batch 1,2,4,8 --context 128,512,2048 --svg chart.svg',
  ]);
  command.action((model: string, options: BenchOptions) =>
    perform(context, command, async (output) => (await import('../verbs/bench.js')).bench(model, options, output)),
  );
}
