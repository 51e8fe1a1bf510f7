import type { Tokenizer } from '@gateskip/model';
import { StopStrings } from './stop-strings.js';
import { Utf8Stream } from './utf8-stream.js';

/** One request's text: tokens in, certain text out; ends before a stop string. */
export class TextAssembler {
  private readonly utf8 = new Utf8Stream();
  private readonly stops: StopStrings;
  private released = '';

  constructor(
    private readonly tokenizer: Tokenizer | undefined,
    stop: readonly string[],
  ) {
    this.stops = new StopStrings(stop);
  }

  /** Everything given out so far. */
  get text(): string {
    return this.released;
  }

  get stopString(): string | undefined {
    return this.stops.found;
  }

  push(token: number): string {
    if (!this.tokenizer) return '';
    return this.release(this.stops.push(this.utf8.push(this.tokenizer.tokenBytes(token))));
  }

  /** The end: half characters and half stop strings that were held back. */
  flush(): string {
    const last = this.stops.push(this.utf8.flush());
    return this.release(last + this.stops.flush());
  }

  private release(text: string): string {
    this.released += text;
    return text;
  }
}
