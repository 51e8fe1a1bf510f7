import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
const repositoryRoot = join(packageRoot, '..', '..');
const binaries = join(repositoryRoot, 'node_modules', '.bin');
/** Beside dist, which others may be using, and this run's own; version and dependencies are found from here just the same. */
const outFolder = `build-for-tests-${process.pid}`;

/** Bundles the program as it is now; the other packages are built only where they never were. */
export function buildProgram(): string {
  const env = { ...process.env, PATH: [binaries, process.env.PATH].join(delimiter) };
  const run = (program: string, words: readonly string[], cwd: string): void => {
    const { status, stdout, stderr, error } = spawnSync(program, words, { cwd, env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${program} ${words.join(' ')} failed: ${error?.message ?? ''}\n${stdout}\n${stderr}`);
  };
  const needed = [
    'engine',
    'model',
    'backend',
    'backend-cpu',
    'backend-reference',
    'scheduler',
    'train',
    'evaluate',
    'observe',
    'errors',
    'gate',
  ];
  if (!needed.every((name) => existsSync(join(repositoryRoot, 'packages', name, 'dist', 'index.js'))))
    run(join(binaries, 'turbo'), ['run', 'build', '--filter=gateskip...'], repositoryRoot);
  run(join(binaries, 'tsup'), ['--out-dir', outFolder], packageRoot);
  return join(packageRoot, outFolder, 'main.js');
}

export function removeProgram(): void {
  rmSync(join(packageRoot, outFolder), { recursive: true, force: true });
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** Settles when stdout or stderr holds the pattern. */
  says(pattern: RegExp): Promise<void>;
}

export function start(main: string, words: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(process.execPath, [main, ...words], { env: { ...process.env, HF_HUB_OFFLINE: '1', ...env } });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  const hear = (): void => {
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    hear();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    hear();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    child,
    ended,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(stdout) && !pattern.test(stderr)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        void ended.then((end) => reject(new Error(`It ended before it said ${pattern}: ${JSON.stringify(end).slice(0, 2000)}`)));
        look();
      }),
  };
}
