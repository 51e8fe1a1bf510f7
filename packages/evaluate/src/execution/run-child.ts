import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface ChildSettings {
  /** Empty, its own. */
  readonly folder: string;
  readonly input: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ChildEnd {
  readonly code: number | null;
  readonly timedOut: boolean;
  /** Whether it was ended for writing too much. */
  readonly wroteTooMuch: boolean;
  /** From descriptor 3. */
  readonly report: string;
  /** The end of what it wrote to stderr. */
  readonly errors: string;
}

/** More than any traceback; what goes to stdout is not kept at all. */
const MAX_STREAM_BYTES = 1024 * 1024;
const KEPT_BYTES = 4096;
/** Time for pipes to empty after the end, which somebody who inherited them might hold open. */
const DRAIN_MS = 500;

/**
 * Runs a child without an environment, in a process group of its own that is killed as a whole when time is up, too much is
 * written, or the signal comes; and in any case when the child has ended.
 */
export function runChild([command = '', ...words]: readonly string[], settings: ChildSettings): Promise<ChildEnd> {
  const { folder, input, timeoutMs, signal } = settings;
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { cwd: folder, env: {}, stdio: ['pipe', 'ignore', 'pipe', 'pipe'], detached: true });
    let timedOut = false;
    let wroteTooMuch = false;
    const kill = (): void => killGroup(child);
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, timeoutMs);
    signal?.addEventListener('abort', kill, { once: true });
    const onExcess = (): void => {
      wroteTooMuch = true;
      kill();
    };
    const errors = tailOf(child.stderr as Readable, onExcess);
    const report = tailOf(child.stdio[3] as Readable, onExcess);
    // A child that ends before it read everything is no failure of ours.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    let drain: NodeJS.Timeout | undefined;
    const finish = (): void => {
      clearTimeout(timer);
      clearTimeout(drain);
      signal?.removeEventListener('abort', kill);
    };
    child.once('error', (error) => {
      finish();
      reject(error);
    });
    child.once('exit', () => {
      kill();
      drain = setTimeout(() => {
        child.stderr?.destroy();
        (child.stdio[3] as Readable).destroy();
      }, DRAIN_MS);
    });
    child.once('close', (code) => {
      finish();
      resolve({ code, timedOut, wroteTooMuch, report: report(), errors: errors() });
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}

function tailOf(stream: Readable, onExcess: () => void): () => string {
  let kept = Buffer.alloc(0);
  let bytes = 0;
  stream.on('error', () => undefined);
  stream.on('data', (part: Buffer) => {
    bytes += part.length;
    kept = Buffer.concat([kept, part]).subarray(-KEPT_BYTES);
    if (bytes > MAX_STREAM_BYTES) onExcess();
  });
  return () => kept.toString('utf8');
}
