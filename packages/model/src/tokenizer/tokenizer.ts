/** Text to token ids and back. Stateless: one object serves any number of sequences. */
export interface Tokenizer {
  readonly vocabularySize: number;
  readonly beginToken: number | undefined;
  readonly endToken: number | undefined;
  /** Every token that ends a generation: end of text, end of turn. */
  readonly stopTokens: ReadonlySet<number>;
  /** Whether the model expects {@link beginToken} before a plain prompt. */
  readonly addBegin: boolean;
  /**
   * @param options.special read `<|im_start|>` and the like in the text as the special token (for templates, never for
   *   a user's text); default false.
   * @param options.addBegin default: what the model asks for.
   * @param options.plainMark a character that is dropped after special tokens were looked for: breaks up text that must
   *   not become one (see `encodeChat`).
   */
  encode(text: string, options?: { special?: boolean; addBegin?: boolean; plainMark?: string }): Int32Array;
  /** Lossy where the ids end inside a character; see {@link tokenBytes} for streaming. */
  decode(ids: ArrayLike<number>, options?: { skipSpecial?: boolean }): string;
  /** The exact bytes of one token (empty for special tokens unless `special`). */
  tokenBytes(id: number, options?: { special?: boolean }): Uint8Array;
  isSpecial(id: number): boolean;
}
