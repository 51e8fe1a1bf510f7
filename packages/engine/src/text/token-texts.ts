import type { Tokenizer } from '@gateskip/model';

/** Text of single tokens, for log-probabilities and traces: special tokens by name, split characters as U+FFFD. */
export class TokenTexts {
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private readonly plain = new Map<number, string>();

  constructor(readonly tokenizer: Tokenizer | undefined) {}

  readonly of = (token: number): string => (this.tokenizer ? this.decoder.decode(this.tokenizer.tokenBytes(token, { special: true })) : '');

  /**
   * Text of a token that is ASCII throughout, which is what it adds wherever it stands between characters; undefined for others.
   * Kept per token: most text is made of few of them.
   */
  plainText(token: number): string | undefined {
    const known = this.plain.get(token);
    if (known !== undefined) return known;
    const bytes = this.tokenizer?.tokenBytes(token);
    if (bytes === undefined || bytes.length === 0 || bytes.some((byte) => byte > 0x7f)) return undefined;
    const text = this.decoder.decode(bytes);
    this.plain.set(token, text);
    return text;
  }
}
