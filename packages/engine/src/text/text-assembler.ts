import { StopStrings } from './stop-strings.js';
import type { TokenTexts } from './token-texts.js';
import { Utf8Stream } from './utf8-stream.js';

/** One request's text: tokens in, certain text out; ends before a stop string. */
export class TextAssembler {
  private readonly utf8 = new Utf8Stream();
  private readonly stops: StopStrings;
  private released = '';
  /** Whether the bytes so far may end inside a character. */
  private isOpen = false;

  constructor(
    private readonly texts: TokenTexts,
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
    const { tokenizer } = this.texts;
    if (!tokenizer) return '';
    const plain = this.isOpen ? undefined : this.texts.plainText(token);
    if (plain !== undefined) return this.release(this.stops.push(plain));
    const bytes = tokenizer.tokenBytes(token);
    if (bytes.length > 0) this.isOpen = (bytes[bytes.length - 1] as number) > 0x7f;
    return this.release(this.stops.push(this.utf8.push(bytes)));
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
