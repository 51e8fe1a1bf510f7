import type { Command } from 'commander';
import type { CommandIo } from '../io.js';
import type { CommonOptions } from '../options/common-options.js';
import { Output } from '../output/output.js';

/** What commands share: the surroundings, and where the exit code of a command that did not throw goes. */
export interface CommandContext {
  readonly io: CommandIo;
  exitCode: number;
}

/** Runs a verb with its output, and notes its exit code. */
export async function perform(
  context: CommandContext,
  command: Command,
  verb: (output: Output) => Promise<number> | Promise<void>,
): Promise<void> {
  const { json, quiet } = command.opts<CommonOptions>();
  const output = new Output(context.io, { ...(json && { json }), ...(quiet && { quiet }) });
  try {
    context.exitCode = (await verb(output)) ?? 0;
  } finally {
    output.progress.clear();
  }
}

/** Examples below a command's help. */
export function addExamples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`);
}
