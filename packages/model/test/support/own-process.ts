import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { SourceProgress } from '../../src/index.js';
import type { Line, Step } from './source-process.js';

const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
/** Inside the package, so that its dependencies are found, and this run's own. */
const outFolder = `build-for-tests-${process.pid}`;

export function bundleProcess(): void {
  const tsup = join(packageRoot, '..', '..', 'node_modules', '.bin', 'tsup');
  const { status, stdout, stderr, error } = spawnSync(tsup, ['--config', 'test/support/process-bundle.config.ts', '--out-dir', outFolder], {
    cwd: packageRoot,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`tsup failed: ${error?.message ?? ''}\n${stdout}\n${stderr}`);
}

export function removeBundle(): void {
  rmSync(join(packageRoot, outFolder), { recursive: true, force: true });
}

export class OwnProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly lines: Line[] = [];
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null; readonly stderr: string }>;
  readonly #listeners = new Set<() => void>();

  /** @param prefix a program that runs what follows it, such as one that gives it a small disk */
  constructor(steps: readonly Step[], prefix: readonly string[] = []) {
    const words = [...prefix, process.execPath, join(packageRoot, outFolder, 'source-process.js'), JSON.stringify(steps)];
    this.child = spawn(words[0] as string, words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const read = createInterface(this.child.stdout);
    read.on('line', (text) => {
      this.lines.push(JSON.parse(text) as Line);
      for (const listener of this.#listeners) listener();
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    });
  }

  /** Settles when it has told what is looked for. */
  tells(isIt: (line: Line) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!this.lines.some(isIt)) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      void this.ended.then((end) => reject(new Error(`It ended before it told that: ${JSON.stringify(end)}`)), reject);
      look();
    });
  }

  get progress(): SourceProgress[] {
    return this.lines.flatMap((line) => (line.kind === 'progress' ? [line.progress] : []));
  }

  /** Outcomes of the steps, after its end; a step that failed gives its error. */
  async outcomes<T extends readonly unknown[]>(): Promise<T> {
    const end = await this.ended;
    if (end.code !== 0) throw new Error(`It ended with ${end.signal ?? end.code}: ${end.stderr}`);
    return this.lines.flatMap((line) =>
      line.kind === 'progress' ? [] : [line.kind === 'done' ? line.result : line.error],
    ) as unknown as T;
  }
}
