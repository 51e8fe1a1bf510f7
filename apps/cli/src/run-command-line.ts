import { setMaxListeners } from 'node:events';
import { AbortedError, isGateskipError } from '@gateskip/errors';
import { CommanderError } from 'commander';
import { UsageError } from './errors.js';
import { exitCodeOf, exitCodes } from './exit-codes.js';
import type { CommandIo } from './io.js';
import { errorDocument, toJson } from './output/json.js';
import { withoutControls } from './output/output.js';
import { createProgram } from './program.js';

/**
 * Runs a command line to its end and says how it ended. Never throws: what goes wrong is printed, as one line and a remedy,
 * or with `--json` as `{error: {code, message, remedy, fields}}` on stdout.
 *
 * @param words without the program's name
 * @returns the exit code
 */
export async function runCommandLine(words: readonly string[], io: CommandIo): Promise<number> {
  // Whoever reads stdout may leave early (`gateskip run ... | head -1`): that ends the work and is no error.
  const pipe = new AbortController();
  const onPipeError = (): void => pipe.abort();
  io.stdout.on('error', onPipeError);
  const signal = AbortSignal.any([io.signal, pipe.signal]);
  // Every request under way listens to it.
  setMaxListeners(0, signal);
  const context = { io: { ...io, signal }, exitCode: exitCodes.ok as number };
  try {
    await createProgram(context).parseAsync(words, { from: 'user' });
    return pipe.signal.aborted ? exitCodes.ok : context.exitCode;
  } catch (caught) {
    if (pipe.signal.aborted) return exitCodes.ok;
    const error = asGateskipError(caught, io.signal);
    // Help and version end as errors in commander.
    if (error === undefined) return exitCodes.ok;
    report(error, isJson(words), io);
    return exitCodeOf(error);
  } finally {
    io.stdout.off('error', onPipeError);
    // Writes that are still under way may fail later.
    io.stdout.on('error', () => undefined);
  }
}

function asGateskipError(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return undefined;
    // Without a command commander prints the help, on stderr.
    if (error.code === 'commander.help') return new UsageError('There is no command.', 'See `gateskip --help`.');
    const message = error.message.replace(/^error: /, '').replace(/\n/g, ' ');
    return new UsageError(/[.?!)]$/.test(message) ? message : `${message}.`, 'See `gateskip --help`.', { what: error.code });
  }
  if (signal.aborted && !(isGateskipError(error) && error.code === 'GS_ABORTED')) return new AbortedError('The command');
  return error;
}

function report(error: unknown, json: boolean, io: CommandIo): void {
  if (json) io.stdout.write(`${toJson(errorDocument(error))}\n`);
  // Whoever pressed Ctrl-C made no mistake.
  else io.stderr.write(`${exitCodeOf(error) === exitCodes.aborted ? '' : 'error: '}${withoutControls(errorText(error))}\n`);
  if (io.env.GATESKIP_DEBUG && error instanceof Error) io.stderr.write(`${error.stack ?? error.message}\n`);
}

/** What happened, and on the next line what to do. */
function errorText(error: unknown): string {
  if (isGateskipError(error)) {
    const { message, remedy } = error;
    return remedy !== '' && message.endsWith(remedy) ? `${message.slice(0, -remedy.length).trimEnd()}\n${remedy}` : message;
  }
  return `${error instanceof Error ? error.message : String(error)}\nThis was not expected. GATESKIP_DEBUG=1 shows where it happened.`;
}

/** Known before the words are parsed: a parse error must be JSON too. */
function isJson(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  return words.slice(0, end < 0 ? words.length : end).includes('--json');
}
