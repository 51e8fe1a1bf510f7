import { Command } from 'commander';
import { addBackendsCommand } from './commands/backends.js';
import { addBenchCommand } from './commands/bench.js';
import { addChatCommand } from './commands/chat.js';
import type { CommandContext } from './commands/command-context.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addEvalCommand } from './commands/eval.js';
import { addFitCommand } from './commands/fit.js';
import { addInspectCommand } from './commands/inspect.js';
import { addModelsCommand } from './commands/models.js';
import { addProfileCommand } from './commands/profile.js';
import { addPullCommand } from './commands/pull.js';
import { addRunCommand } from './commands/run.js';
import { addTrainCommand } from './commands/train.js';
import { exitCodeHelp } from './exit-codes.js';
import { readVersion } from './version.js';

/**
 * The command line as a commander program: nothing is read or written before it parses. It throws instead of exiting.
 *
 * @param context where commands read and write; `exitCode` is set by the command that ran
 */
export function createProgram(context: CommandContext): Command {
  const { io } = context;
  const program = new Command('gateskip')
    .description('Runs language models under a compute budget: tokens of low score skip attention and MLP blocks.')
    .version(readVersion(), '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      // Written by whoever catches the error, as text or as JSON.
      outputError: () => undefined,
      getOutHelpWidth: () => Math.min(io.stdout.columns ?? 100, 120),
      getErrHelpWidth: () => Math.min(io.stderr.columns ?? 100, 120),
    })
    .addHelpText('after', `\n${exitCodeHelp}\n\nStart with: gateskip run smollm2-135m "Why is the sky blue?"\n`);
  addRunCommand(program, context);
  addChatCommand(program, context);
  addPullCommand(program, context);
  addModelsCommand(program, context);
  addFitCommand(program, context);
  addTrainCommand(program, context);
  addProfileCommand(program, context);
  addInspectCommand(program, context);
  addBenchCommand(program, context);
  addEvalCommand(program, context);
  addBackendsCommand(program, context);
  addDoctorCommand(program, context);
  return program;
}
