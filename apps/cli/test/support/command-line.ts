import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { afterAll } from 'vitest';
import { type CommandIo, runCommandLine } from '../../src/index.js';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  /** What is piped in; `terminal`: nobody types. Default: an empty pipe. */
  readonly stdin?: string | Uint8Array | 'terminal' | Readable;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onStdout?: (text: string) => void;
  /** Whether stdout and stderr are terminals. */
  readonly isTTY?: boolean;
}

/** Runs the command line in this process, from its sources. */
export async function commandLine(words: readonly string[], surroundings: Surroundings = {}): Promise<Ran> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const sink = (parts: string[], hear?: (text: string) => void): Writable & { isTTY?: boolean } => {
    const stream: Writable & { isTTY?: boolean } = new Writable({
      decodeStrings: false,
      write(chunk, _, done) {
        parts.push(String(chunk));
        hear?.(String(chunk));
        done();
      },
    });
    if (surroundings.isTTY) stream.isTTY = true;
    return stream;
  };
  const io: CommandIo = {
    stdin: inputOf(surroundings.stdin ?? ''),
    stdout: sink(stdout, surroundings.onStdout),
    stderr: sink(stderr),
    env: { HF_HUB_OFFLINE: '1', ...surroundings.env },
    signal: surroundings.signal ?? new AbortController().signal,
  };
  const code = await runCommandLine(words, io);
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

function inputOf(given: string | Uint8Array | Readable): Readable & { isTTY?: boolean } {
  if (given instanceof Readable) return given;
  if (given === 'terminal') return Object.assign(new Readable({ read() {} }), { isTTY: true });
  return Readable.from(given.length === 0 ? [] : [Buffer.from(given)]);
}

/** The one document on stdout. Fails where there is anything else. */
export function documentOf<T = Record<string, unknown>>(ran: Ran): T {
  try {
    return JSON.parse(ran.stdout) as T;
  } catch (cause) {
    throw new Error(`stdout is not one document; exit code ${ran.code}, stderr: ${ran.stderr.slice(0, 2000)}`, { cause });
  }
}

export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string; readonly fields: Record<string, unknown> };
}

/** A folder for one test file, removed after it. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gateskip-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
