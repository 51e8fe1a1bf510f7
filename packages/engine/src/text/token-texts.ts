import type { Tokenizer } from '@gateskip/model';

/** Text of single tokens, for log-probabilities and traces: special tokens by name, split characters as U+FFFD. */
export class TokenTexts {
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(readonly tokenizer: Tokenizer | undefined) {}

  readonly of = (token: number): string => (this.tokenizer ? this.decoder.decode(this.tokenizer.tokenBytes(token, { special: true })) : '');
}
