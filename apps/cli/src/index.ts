export type { CommandContext } from './commands/command-context.js';
export { exitCodes } from './exit-codes.js';
export type { CommandIo } from './io.js';
export { createProgram } from './program.js';
export { runCommandLine } from './run-command-line.js';
