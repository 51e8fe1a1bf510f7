import type { Command } from 'commander';
import { Option } from 'commander';
import { addCommonOptions } from '../options/common-options.js';
import { addAdapterOptions, addBackendOptions, addSourceOptions, modelArgument } from '../options/model-options.js';
import { gather, gatherPairs, wholeNumber } from '../options/parsers.js';
import type { EvalOptions } from '../verbs/eval.js';
import type { EvalCompareOptions } from '../verbs/eval-compare.js';
import { addExamples, type CommandContext, perform } from './command-context.js';

const fullRange = 2147483647;

export function addEvalCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('eval')
    .summary('measure what a budget costs in quality')
    .description(
      'Scores a model on tasks and texts, dense and under budgets, and measures speed in the same run: results with standard errors, and differences from dense on the same items. An interrupted evaluation goes on with the same --out.',
    )
    .argument('<model>', modelArgument)
    .option('--tasks <list>', 'names (see `gateskip eval tasks`) or .json files of own tasks, with commas between', names)
    .option(
      '--data <place>',
      'folder with <task>/<split>.jsonl, or task=FILE, task=FOLDER or task=hf:owner/name[@rev]/path/file.jsonl (or .json); can be repeated',
      gather(64),
    )
    .option('--limit <n>', 'items per task: a sample by seed', wholeNumber(1, fullRange))
    .option('--first', 'let --limit take the first items instead of a sample')
    .option('-b, --budget <budget>', 'as for run: 25%, net=85%, speedup=1.3x; can be repeated', gather(64))
    .option('--policy <name>', 'how budgets become plans; can be repeated (default: global-threshold)', gather(64))
    .option('--policy-option <key=value>', 'option of every policy, can be repeated', gatherPairs(32))
    .addOption(
      new Option('--kv <mode>', "K and V of tokens that skip attention; default: the adapter's").choices(['project', 'absent', 'alias']),
    )
    .option('--profile <file>', 'measurements of the dense model, for policies that need them')
    .addOption(
      new Option(
        '--stand-ins <where>',
        'what skipped branches give in all runs: means of the gate file, of --profile, or nothing (default: gates)',
      ).choices(['gates', 'profile', 'none']),
    )
    .option('--no-dense', 'leave out the dense model, and with it the differences')
    .option('--few-shot <k>', "examples before each item; default: the task's own", wholeNumber(0, 64))
    .option('--chat', "wrap prompts in the model's chat template")
    .option(
      '--execute-generated-code',
      'DANGER: run the Python programs that the model writes (humaneval) on this machine; without it they are only kept',
    )
    .option('--seed <n>', 'of samples, examples and bootstraps (default: 1)', wholeNumber(0, 4294967295))
    .option('--perplexity <file>', 'a text to be read in sliding windows')
    .option('--agreement <file>', 'a text on which budgets are compared with the dense model: KL, top-1, top-5')
    .option('--window <n>', 'tokens of a window (default: 1024, or what the context holds)', wholeNumber(2, fullRange))
    .option('--stride <n>', 'tokens by which the window of --perplexity moves on (default: half a window)', wholeNumber(1, fullRange))
    .option('--text-tokens <n>', 'read so many tokens of the texts (default: all)', wholeNumber(2, fullRange))
    .option('--speed-rounds <n>', 'rounds of the measurement of speed; 0: none (default: 5)', wholeNumber(0, 1000))
    .option('--max-rows <n>', 'rows of one step (default: 512)', wholeNumber(1, 65_536))
    .option('-o, --out <file>', 'write the results; a journal beside it makes an interrupted run go on')
    .option('--force', 'replace --out and forget its journal')
    .option('--svg <file>', 'chart: quality against net MACs and speed')
    .option('--html <file>', 'chart and tables as one page')
    .option('--markdown <file>', 'the tables');
  addAdapterOptions(command);
  addBackendOptions(command);
  addSourceOptions(command);
  addCommonOptions(command);
  addExamples(command, [
    'gateskip eval smollm2-135m --tasks hellaswag,piqa --data data --limit 200 --budget net=0.85 --out results.json',
    'gateskip eval smollm2-135m --perplexity book.txt --agreement book.txt --budget net=90% --budget net=75% --html report.html',
    'gateskip eval compare results.json other.json',
    'gateskip eval tasks',
  ]);
  command.action((model: string, options: EvalOptions) =>
    perform(context, command, async (output) => (await import('../verbs/eval.js')).evaluateModel(model, options, output)),
  );
  addCompareCommand(command, context);
  addTasksCommand(command, context);
}

// Options that `eval` has too (--json, --seed) are read by it wherever they stand.
function addCompareCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('compare')
    .summary('paired differences between two files of results')
    .description('Compares two files of results item by item. It refuses where they are not of the same items.')
    .argument('<a>', 'results of gateskip eval --out')
    .argument('<b>', 'others of the same items')
    .option('--run-a <label>', 'run of the first file; default: those of the same label, else the last')
    .option('--run-b <label>', 'run of the second file')
    .option('--seed <n>', 'of the bootstrap (default: 1)', wholeNumber(0, 4294967295));
  addCommonOptions(command);
  command.action((a: string, b: string) =>
    perform(context, parent, async (output) =>
      (await import('../verbs/eval-compare.js')).compareEvaluations(a, b, command.optsWithGlobals<EvalCompareOptions>(), output),
    ),
  );
}

function addTasksCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('tasks')
    .summary('list the tasks that come along')
    .description('Lists the tasks that come along; with --json their definitions, as a start for own ones.');
  addCommonOptions(command);
  command.action(() => perform(context, parent, async (output) => (await import('../verbs/eval-tasks.js')).listTasks(output)));
}

const names = (text: string): readonly string[] => text.split(',').map((name) => name.trim());
