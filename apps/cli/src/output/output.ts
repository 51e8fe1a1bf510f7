import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { CommandIo } from '../io.js';
import { toJson } from './json.js';
import { Progress } from './progress.js';

export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Where a command writes: results to stdout, everything else to stderr. With `--json` stdout holds one document, nothing else. */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: Progress;

  constructor(
    readonly io: CommandIo,
    options: OutputOptions = {},
  ) {
    this.json = options.json ?? false;
    this.quiet = options.quiet ?? false;
    this.progress = new Progress(io.stderr, { enabled: !this.quiet });
  }

  get signal(): AbortSignal {
    return this.io.signal;
  }

  /** Whether a person reads stdout. */
  get isTerminal(): boolean {
    return this.io.stdout.isTTY === true;
  }

  /** Result text; nothing with `--json`. Waits while the reader is slow. */
  async print(text: string): Promise<void> {
    if (this.json || text === '') return;
    this.progress.clear();
    await write(this.io.stdout, this.isTerminal ? withoutControls(text) : text, this.signal);
  }

  /** Result that draws itself: may hold escape sequences of ours. */
  async draw(text: string): Promise<void> {
    if (this.json) return;
    this.progress.clear();
    await write(this.io.stdout, text, this.signal);
  }

  /** The one document of `--json`. */
  async document(value: unknown): Promise<void> {
    if (!this.json) return;
    this.progress.clear();
    await write(this.io.stdout, `${toJson(value)}\n`);
  }

  /** A line beside the result, for people. */
  note(line: string): void {
    if (this.json || this.quiet) return;
    this.progress.clear();
    this.io.stderr.write(`${withoutControls(line)}\n`);
  }

  /** A line that nobody should miss. */
  warn(line: string): void {
    this.progress.clear();
    this.io.stderr.write(`warning: ${withoutControls(line)}\n`);
  }
}

/** Text of a model or a file must not steer the terminal: control characters but tab and line feed are replaced. */
export function withoutControls(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]/gu, '\ufffd');
}

async function write(stream: Writable, text: string, signal?: AbortSignal): Promise<void> {
  if (stream.destroyed || stream.write(text)) return;
  await once(stream, 'drain', signal ? { signal } : {});
}
