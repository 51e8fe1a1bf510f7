import { spawn } from 'node:child_process';
import { AbortedError } from '@gateskip/errors';
import { printable } from '../errors.js';
import type { Environment } from './progress.js';

export type ToolResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly isMissing: boolean; readonly isDiskFull: boolean };

/** How C libraries and Windows word it, wherever in the output it stands. */
const diskFullWords = /No space left|not enough space|Disk quota exceeded/i;

/** What shells and version managers end with when the program behind a name is not there; Windows' own is 9009. */
const missingCodes: ReadonlySet<number | null> = new Set([127, 9009]);

/** Runs a program without a shell. Its output is kept only as the reason of a failure. */
export function runTool(command: string, args: readonly string[], env: Environment, signal: AbortSignal | undefined): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'ignore', 'pipe'],
      windowsHide: true,
      ...(signal ? { signal } : {}),
    });
    let tail = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text: string) => {
      tail = (tail + text).slice(-4096);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (signal?.aborted)
        reject(signal.reason instanceof Error && signal.reason.name !== 'AbortError' ? signal.reason : new AbortedError('The download'));
      else if (error.code === 'ENOENT') resolve({ ok: false, reason: 'not installed', isMissing: true, isDiskFull: false });
      else resolve({ ok: false, reason: printable(error.message), isMissing: false, isDiskFull: false });
    });
    child.on('close', (code, stopped) => {
      if (code === 0) resolve({ ok: true });
      else {
        const reason = lastLine(tail) || (stopped ? `stopped by ${stopped}` : `ended with code ${code}`);
        resolve({ ok: false, reason: printable(reason), isMissing: missingCodes.has(code), isDiskFull: diskFullWords.test(tail) });
      }
    });
  });
}

const lastLine = (text: string): string => {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const at = lines.findLastIndex((line) => /^error/i.test(line));
  // uv gives the reason of a reason in lines of their own; the last is the first cause.
  const cause = at < 0 ? undefined : lines.slice(at + 1).findLast((line) => /^(cause|caused by):/i.test(line));
  return [lines.at(at) ?? '', ...(cause ? [cause] : [])].join(' ');
};
