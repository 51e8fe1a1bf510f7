import { spawn } from 'node:child_process';

/** A program ended with a code other than 0; `output` is what it wrote. */
export class ProgramError extends Error {
  /** @param {string} commandLine @param {number | null} exitCode @param {string} output */
  constructor(commandLine, exitCode, output) {
    super(`"${commandLine}" ended with ${exitCode === null ? 'a signal' : `exit code ${exitCode}`}.`);
    this.name = 'ProgramError';
    this.exitCode = exitCode;
    this.output = output;
  }
}

/**
 * Runs a program to its end and collects what it writes.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void, timeoutMs?: number, mayFail?: boolean }} [options]
 *   `onLine` sees every line as it comes; `mayFail` returns the exit code instead of throwing.
 * @returns {Promise<{ exitCode: number | null, output: string, stdout: string }>}
 */
export function runProgram(program, args, options = {}) {
  const { cwd, env = process.env, onLine, timeoutMs, mayFail = false } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    let output = '';
    let stdout = '';
    let partialLine = '';
    /** @param {string} text */
    const take = (text) => {
      output += text;
      const lines = (partialLine + text).split('\n');
      partialLine = lines.pop() ?? '';
      for (const line of lines) onLine?.(line);
    };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      take(text);
    });
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', reject);
    child.on('close', (exitCode) => {
      if (exitCode === 0 || mayFail) resolve({ exitCode, output, stdout });
      else reject(new ProgramError([program, ...args].join(' '), exitCode, output));
    });
  });
}

/**
 * The last lines of a program's output.
 *
 * @param {string} output
 * @param {number} [lineCount]
 */
export function tail(output, lineCount = 40) {
  return output.trimEnd().split('\n').slice(-lineCount).join('\n');
}
