/** Times of what follows one another, in milliseconds. */
export class Stopwatch {
  private readonly start = performance.now();
  private last = this.start;

  /** Since the last call. */
  lap(): number {
    const now = performance.now();
    const elapsed = now - this.last;
    this.last = now;
    return elapsed;
  }

  total(): number {
    return performance.now() - this.start;
  }
}
