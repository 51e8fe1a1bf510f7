/**
 * The strings of a GGUF array where the file has them: UTF-8, each behind a length of 8 bytes. A vocabulary of 50,000 is
 * walked in a few milliseconds; as JavaScript strings it takes ten times that and the memory, and a prompt needs few of them.
 */
export class StringTable {
  /** Start of each string in {@link bytes}; `starts[i + 1] - 8` ends string i, because its successor's length lies between. */
  readonly #starts: Uint32Array;

  /** @param bytes the elements alone, checked before: every length fits, every string is valid UTF-8 */
  constructor(
    readonly bytes: Buffer,
    readonly length: number,
  ) {
    const starts = new Uint32Array(length + 1);
    let at = 8;
    for (let i = 0; i < length; i++) {
      starts[i] = at;
      at += stringLength(bytes, at - 8) + 8;
    }
    starts[length] = at;
    this.#starts = starts;
  }

  start(index: number): number {
    return this.#starts[index] as number;
  }

  end(index: number): number {
    return (this.#starts[index + 1] as number) - 8;
  }

  /** Undefined outside of the table. */
  text(index: number): string | undefined {
    return index >= 0 && index < this.length ? this.bytes.toString('utf8', this.start(index), this.end(index)) : undefined;
  }
}

const stringLength = (bytes: Buffer, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
