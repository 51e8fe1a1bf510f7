import type { Readable, Writable } from 'node:stream';

/** What a program gets from its surroundings; tests pass their own. */
export interface CommandIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
}
