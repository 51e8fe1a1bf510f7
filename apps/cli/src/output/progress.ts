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

interface State {
  readonly label: string;
  readonly done: number;
  readonly total: number;
  readonly unit: ProgressUnit;
  readonly note: string | undefined;
}

/** How often a line is looked at while nothing is reported: its time goes on. */
const tickMs = 1000;

/** One line of progress on stderr: redrawn in place on a terminal, plain lines at intervals elsewhere. */
export class Progress {
  private state: State | undefined;
  private startedMs = 0;
  private lastMs = 0;
  private drawn = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly isTerminal: boolean;
  private readonly now: () => number;

  constructor(
    private readonly stream: Writable & { readonly isTTY?: boolean; readonly columns?: number },
    private readonly options: ProgressOptions = {},
  ) {
    this.isTerminal = stream.isTTY === true;
    this.now = options.now ?? (() => performance.now());
  }

  /**
   * @param total 0 while it is not known
   * @param note behind the time, e.g. what is left of it
   */
  report(label: string, done = 0, total = 0, unit: ProgressUnit = 'count', note?: string): void {
    if (this.options.enabled === false) return;
    if (label !== this.state?.label) {
      this.startedMs = this.now();
      // A terminal shows at once what begins; plain lines wait for their interval.
      this.lastMs = this.isTerminal ? Number.NEGATIVE_INFINITY : this.startedMs;
      this.timer ??= setInterval(() => this.show(), tickMs).unref();
    }
    this.state = { label, done, total, unit, note };
    this.show();
  }

  /** Takes the line away, so that something else can be written. */
  clear(): void {
    if (this.drawn) this.stream.write('\r\u001b[K');
    this.drawn = false;
    this.state = undefined;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private show(): void {
    const { state } = this;
    const now = this.now();
    const intervalMs = this.isTerminal ? (this.options.drawIntervalMs ?? 80) : (this.options.lineIntervalMs ?? 5000);
    if (!state || now - this.lastMs < intervalMs) return;
    this.lastMs = now;
    const line = `${state.label}${amount(state)} (${seconds(now - this.startedMs)}${state.note === undefined ? '' : `, ${state.note}`})`;
    if (!this.isTerminal) {
      this.stream.write(`${line}\n`);
      return;
    }
    const width = Math.max(20, (this.stream.columns ?? 80) - 1);
    this.stream.write(`\r\u001b[K${line.slice(0, width)}`);
    this.drawn = true;
  }
}

function amount({ done, total, unit }: State): string {
  const share = total > 0 ? ` ${Math.min(100, Math.floor((100 * done) / total))} %` : '';
  if (unit === 'share') return share;
  if (unit === 'bytes') return total > 0 ? `${share} of ${bytes(total)}` : done > 0 ? ` ${bytes(done)}` : '';
  return total > 0 ? `${share}, ${done} of ${total}` : '';
}
