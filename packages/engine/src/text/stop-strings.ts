/** Finds stop strings in text that comes in pieces, and holds back what could still become one. */
export class StopStrings {
  private held = '';
  private foundString: string | undefined;

  constructor(private readonly stops: readonly string[]) {}

  /** The stop string that was found, if one was; everything from it on is dropped. */
  get found(): string | undefined {
    return this.foundString;
  }

  /**
   * Takes new text and gives what is certain to be before any stop string. The stop string that is complete first wins,
   * the longer one where two end together: the same however the text is cut into pieces.
   */
  push(text: string): string {
    if (this.stops.length === 0) return text;
    if (this.foundString !== undefined) return '';
    this.held += text;
    let end = Number.POSITIVE_INFINITY;
    let start = 0;
    for (const stop of this.stops) {
      const index = this.held.indexOf(stop);
      if (index < 0) continue;
      const stopEnd = index + stop.length;
      if (stopEnd > end || (stopEnd === end && index >= start)) continue;
      end = stopEnd;
      start = index;
      this.foundString = stop;
    }
    const certain = this.foundString === undefined ? this.held.length - this.openLength() : start;
    const released = this.held.slice(0, certain);
    this.held = this.foundString === undefined ? this.held.slice(certain) : '';
    return released;
  }

  /** No more text comes: what was held back is no stop string. */
  flush(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  private openLength(): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, this.held.length); length > longest; length--) {
        if (this.held.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
