import { spawn } from 'node:child_process';
import { AbortedError } from '@gateskip/errors';
import { printable } from '../errors.js';
import type { Environment } from './progress.js';

export type ToolResult = { readonly ok: true } | { readonly ok: false; readonly reason: string };

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
      else resolve({ ok: false, reason: error.code === 'ENOENT' ? 'not installed' : printable(error.message) });
    });
    child.on('close', (code, stopped) => {
      if (code === 0) resolve({ ok: true });
      else resolve({ ok: false, reason: printable(lastLine(tail) || (stopped ? `stopped by ${stopped}` : `ended with code ${code}`)) });
    });
  });
}

const lastLine = (text: string): string => {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.findLast((line) => /^error/i.test(line)) ?? lines.at(-1) ?? '';
};
