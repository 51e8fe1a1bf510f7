import { createInterface, type Interface } from 'node:readline';
import { AbortedError } from '@gateskip/errors';
import type { CommandIo } from '../io.js';

/** Longest line taken from a pipe or a person. */
const maxLineLength = 1_048_576;

/** Lines of stdin, one at a time: with editing and history on a terminal, plain from a pipe. */
export class LineReader {
  readonly isInteractive: boolean;
  /** Whether Ctrl-C ended it. */
  interrupted = false;
  private readonly face: Interface;
  private readonly waiting: string[] = [];
  private wake: (() => void) | undefined;
  private ended = false;
  private warned = false;
  private readonly onAbort = (): void => this.finish();

  /** @param onInterrupt Ctrl-C on a terminal; true where there was something to stop */
  constructor(
    private readonly io: CommandIo,
    onInterrupt: () => boolean,
  ) {
    this.isInteractive = io.stdin.isTTY === true && io.stdout.isTTY === true;
    this.face = createInterface({
      input: io.stdin,
      ...(this.isInteractive ? { output: io.stdout } : {}),
      terminal: this.isInteractive,
      crlfDelay: Number.POSITIVE_INFINITY,
    });
    this.face.on('line', (line) => {
      this.warned = false;
      this.waiting.push(line.slice(0, maxLineLength));
      this.wake?.();
    });
    this.face.on('close', () => this.finish());
    // A terminal in raw mode gives Ctrl-C to readline and not to the process.
    this.face.on('SIGINT', () => {
      if (onInterrupt()) return;
      if (this.warned) {
        this.interrupted = true;
        this.face.close();
        return;
      }
      this.warned = true;
      io.stderr.write('\n(Ctrl-C again leaves)\n');
      this.face.prompt();
    });
    io.signal.addEventListener('abort', this.onAbort, { once: true });
  }

  /** The next line; undefined where there is none. @throws AbortedError */
  async next(prompt: string): Promise<string | undefined> {
    if (this.isInteractive && this.waiting.length === 0 && !this.ended) {
      this.face.setPrompt(prompt);
      this.face.prompt();
    }
    while (this.waiting.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    if (this.io.signal.aborted) throw new AbortedError('The chat');
    return this.interrupted ? undefined : this.waiting.shift();
  }

  close(): void {
    this.io.signal.removeEventListener('abort', this.onAbort);
    this.face.close();
  }

  private finish(): void {
    this.ended = true;
    this.wake?.();
  }
}
