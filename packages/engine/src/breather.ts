/** A backend that computes on the JavaScript thread answers without ever letting timers and sockets run. */
const longestHoldMs = 8;

/**
 * Gives the event loop a turn now and then, so that aborts and readers are served whatever the backend. A turn is
 * ordered before each step: with a backend that works elsewhere it passes during the step and costs nothing.
 */
export class Breather {
  private lastMs = performance.now();
  private ordered = false;
  private waiter: (() => void) | undefined;

  /** Orders a turn; call it before a step. */
  order(): void {
    if (this.ordered) return;
    this.ordered = true;
    if (typeof setImmediate === 'function') setImmediate(this.onTurn);
    else setTimeout(this.onTurn, 0);
  }

  /** Something to await, where a turn is due and none has passed. */
  pause(): Promise<void> | undefined {
    if (performance.now() - this.lastMs < longestHoldMs) return undefined;
    this.order();
    return new Promise((resolve) => {
      this.waiter = resolve;
    });
  }

  private readonly onTurn = (): void => {
    this.ordered = false;
    this.lastMs = performance.now();
    this.waiter?.();
    this.waiter = undefined;
  };
}
