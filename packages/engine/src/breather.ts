/** A backend that computes on the JavaScript thread answers without ever letting timers and sockets run. */
const longestHoldMs = 8;

/** Gives the event loop a turn now and then, so that aborts and readers are served whatever the backend. */
export class Breather {
  private lastMs = performance.now();

  /** Something to await, where a turn is due. */
  pause(): Promise<void> | undefined {
    if (performance.now() - this.lastMs < longestHoldMs) return undefined;
    return new Promise((resolve) => {
      const go = (): void => {
        this.lastMs = performance.now();
        resolve();
      };
      if (typeof setImmediate === 'function') setImmediate(go);
      else setTimeout(go, 0);
    });
  }
}
