import { spawn } from 'node:child_process';
import { AbortedError, GateskipError } from '@gateskip/errors';

export interface Startup {
  readonly firstTokenMs: number;
  readonly peakRssBytes: number;
}

/**
 * Loaded before the program: the last thing that the process says is how much memory it had at most, in KiB. On Linux maxRSS
 * begins with what the parent had when it forked, so there the program's own high-water mark is read.
 */
const reporter = `import { readFileSync } from 'node:fs';
process.on('exit', () => {
  let peak = process.resourceUsage().maxRSS;
  try { peak = /VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]; } catch {}
  process.stderr.write('\\npeak ' + peak + '\\n');
});`;

/** Runs the built program once as a person would, from the start of its process to the first text, and to its end. */
export function measureStartup(main: string, words: readonly string[], signal: AbortSignal): Promise<Startup> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new AbortedError('The measurement'));
    const startedMs = performance.now();
    const child = spawn(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(reporter)}`, main, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stop = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', stop, { once: true });
    let firstTokenMs: number | undefined;
    let errors = '';
    child.stdout.on('data', () => {
      firstTokenMs ??= performance.now() - startedMs;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-4096);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      signal.removeEventListener('abort', stop);
      const peak = /\npeak (\d+)\n/.exec(errors)?.[1];
      if (signal.aborted) reject(new AbortedError('The measurement'));
      else if (code !== 0 || peak === undefined || firstTokenMs === undefined)
        reject(
          new GateskipError(
            'GS_BENCH_STARTUP',
            `The program that was started ended with ${code}: ${errors.trim()}.`,
            'Leave it out with --no-startup.',
          ),
        );
      else resolve({ firstTokenMs, peakRssBytes: Number(peak) * 1024 });
    });
  });
}
