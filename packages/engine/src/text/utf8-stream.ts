/**
 * Bytes to text while they come: whole characters only, the bytes of an unfinished one wait for the rest. All pieces
 * and the flush together are what decoding all bytes at once gives; bytes that are no UTF-8 become U+FFFD.
 */
export class Utf8Stream {
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  push(bytes: Uint8Array): string {
    return bytes.length === 0 ? '' : this.decoder.decode(bytes, { stream: true });
  }

  /** What is left: U+FFFD where the bytes end inside a character. */
  flush(): string {
    return this.decoder.decode();
  }
}
