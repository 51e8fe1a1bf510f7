import type { Writable } from 'node:stream';
import { bytes, seconds } from './format.js';

export interface ProgressOptions {
  readonly enabled?: boolean;
  /** Time between two lines where there is no terminal; default 5 s. The first comes only after it: quick work stays silent. */
  readonly lineIntervalMs?: number;
  /** Time between two drawings of the line on a terminal; default 80 ms. */
  readonly drawIntervalMs?: number;
  readonly now?: () => number;
}

/** Unit of what is counted: bytes, or things. */
export type ProgressUnit = 'bytes' | 'count' | 'share';

/** One line of progress on stderr: redrawn in place on a terminal, plain lines at intervals elsewhere. */
export class Progress {
  private label = '';
  private startedMs = 0;
  private lastMs = Number.NEGATIVE_INFINITY;
  private drawn = false;
  private readonly isTerminal: boolean;
  private readonly now: () => number;

  constructor(
    private readonly stream: Writable & { readonly isTTY?: boolean; readonly columns?: number },
    private readonly options: ProgressOptions = {},
  ) {
    this.isTerminal = stream.isTTY === true;
    this.now = options.now ?? (() => performance.now());
  }

  /** @param total 0 while it is not known */
  report(label: string, done = 0, total = 0, unit: ProgressUnit = 'count'): void {
    if (this.options.enabled === false) return;
    const now = this.now();
    if (label !== this.label) {
      this.label = label;
      this.startedMs = now;
      // A terminal shows at once what begins; plain lines wait for their interval.
      this.lastMs = this.isTerminal ? Number.NEGATIVE_INFINITY : now;
    }
    const intervalMs = this.isTerminal ? (this.options.drawIntervalMs ?? 80) : (this.options.lineIntervalMs ?? 5000);
    if (now - this.lastMs < intervalMs) return;
    this.lastMs = now;
    const line = `${label}${amount(done, total, unit)} (${seconds(now - this.startedMs)})`;
    if (this.isTerminal) {
      const width = Math.max(20, (this.stream.columns ?? 80) - 1);
      this.stream.write(`\r\u001b[K${line.slice(0, width)}`);
      this.drawn = true;
    } else {
      this.stream.write(`${line}\n`);
    }
  }

  /** Takes the line away, so that something else can be written. */
  clear(): void {
    if (this.drawn) this.stream.write('\r\u001b[K');
    this.drawn = false;
    this.label = '';
  }
}

function amount(done: number, total: number, unit: ProgressUnit): string {
  const share = total > 0 ? ` ${Math.min(100, Math.floor((100 * done) / total))} %` : '';
  if (unit === 'share') return share;
  if (unit === 'bytes') return total > 0 ? `${share} of ${bytes(total)}` : done > 0 ? ` ${bytes(done)}` : '';
  return total > 0 ? `${share}, ${done} of ${total}` : '';
}
