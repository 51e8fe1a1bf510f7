import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isGateskipError } from '@gateskip/errors';
import { openModel, resolveModel, type SourceProgress, writeAdapter, writeModel } from '../../src/index.js';
import { tinyAdapter } from './tiny-adapter.js';

/** What a process of the tests does, one after the other; each step tells its outcome in a line of JSON. */
export type Step =
  | {
      readonly do: 'pull';
      readonly reference: string;
      readonly cacheDir: string;
      readonly env: Readonly<Record<string, string>>;
      /** Fills the disk with this file when the first bytes have come. */
      readonly fillAtDownload?: string;
    }
  | { readonly do: 'fill'; readonly path: string; readonly leaveBytes: number }
  | { readonly do: 'remove'; readonly path: string }
  | { readonly do: 'list'; readonly folder: string }
  | { readonly do: 'adapter'; readonly path: string }
  | { readonly do: 'model'; readonly source: string; readonly path: string };

export interface ListedFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export type Line =
  | { readonly kind: 'progress'; readonly progress: SourceProgress }
  | { readonly kind: 'done'; readonly step: Step['do']; readonly result: unknown }
  | { readonly kind: 'error'; readonly step: Step['do']; readonly error: Readonly<Record<string, unknown>> };

const say = (line: Line): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

/** Writes until there is no room at all, then gives some back. */
function fill(path: string, leaveBytes: number): void {
  const file = openSync(path, 'w');
  let written = 0;
  try {
    for (const size of [1 << 16, 1]) {
      const zeros = Buffer.alloc(size);
      try {
        for (;;) written += writeSync(file, zeros);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(file);
  }
  truncateSync(path, Math.max(0, written - leaveBytes));
}

/** Files, and folders with a slash at their end. */
function list(folder: string): ListedFile[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .sort()
    .map((name) => {
      if (statSync(join(folder, name)).isDirectory()) return { name: `${name}/`, sizeBytes: 0, sha256: '' };
      const bytes = readFileSync(join(folder, name));
      return { name, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    });
}

function pull({ reference, cacheDir, env, fillAtDownload }: Extract<Step, { do: 'pull' }>): Promise<unknown> {
  let isFilled = fillAtDownload === undefined;
  const onProgress = (progress: SourceProgress): void => {
    if (progress.phase === 'download' && !isFilled) {
      isFilled = true;
      fill(fillAtDownload as string, 0);
    }
    say({ kind: 'progress', progress });
  };
  return resolveModel(reference, { cacheDir, env, onProgress });
}

async function perform(step: Step): Promise<unknown> {
  switch (step.do) {
    case 'pull':
      return pull(step);
    case 'fill':
      return fill(step.path, step.leaveBytes);
    case 'remove':
      return rmSync(step.path);
    case 'list':
      return list(step.folder);
    case 'adapter':
      return writeAdapter(step.path, tinyAdapter({ variant: 'vector' }));
    case 'model':
      return writeModel(await openModel(step.source), new Map(), step.path);
  }
}

for (const step of JSON.parse(process.argv[2] as string) as Step[]) {
  try {
    say({ kind: 'done', step: step.do, result: (await perform(step)) ?? null });
  } catch (error) {
    const plain = isGateskipError(error) ? error.toJSON() : { code: 'none', message: String((error as Error).stack) };
    say({ kind: 'error', step: step.do, error: { ...plain } });
  }
}
