import { randomBytes } from 'node:crypto';
import type { StringTable } from '../gguf/string-table.js';

/** Steps from slot to slot per string, on average, above which a file was made to collide. */
const mostProbes = 32;

/**
 * Finds the position of a string in a table without making strings of the table: open addressing over its bytes. Of equal
 * strings the last one counts, as in a Map that is filled in order.
 */
export class TextIndex {
  readonly #table: StringTable;
  /** Position + 1; 0 is free. At most half of the slots are taken. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #longest: number;
  readonly #scratch: Buffer;
  readonly #seed = randomBytes(4).readInt32LE();
  readonly #fallback: Map<string, number> | undefined;

  constructor(table: StringTable) {
    this.#table = table;
    let size = 16;
    while (size < 2 * table.length) size *= 2;
    this.#slots = new Int32Array(size);
    this.#mask = size - 1;
    let longest = 0;
    let probes = 0;
    for (let i = 0; i < table.length; i++) {
      const start = table.start(i);
      const end = table.end(i);
      if (end - start > longest) longest = end - start;
      let slot = this.#hash(table.bytes, start, end);
      for (; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
        probes++;
        if (this.#isAt((this.#slots[slot] as number) - 1, table.bytes, start, end)) break;
      }
      this.#slots[slot] = i + 1;
      if (probes > mostProbes * (table.length + 16)) {
        this.#fallback = new Map(Array.from({ length: table.length }, (_, at) => [table.text(at) as string, at]));
        break;
      }
    }
    this.#longest = longest;
    this.#scratch = Buffer.alloc(longest + 4);
  }

  get(text: string): number | undefined {
    if (this.#fallback) return this.#fallback.get(text);
    // UTF-8 is never shorter than UTF-16 counts.
    if (text.length > this.#longest) return undefined;
    const length = this.#scratch.write(text);
    if (length > this.#longest) return undefined;
    for (let slot = this.#hash(this.#scratch, 0, length); ; slot = (slot + 1) & this.#mask) {
      const taken = this.#slots[slot] as number;
      if (taken === 0) return undefined;
      if (this.#isAt(taken - 1, this.#scratch, 0, length)) return taken - 1;
    }
  }

  #isAt(position: number, bytes: Buffer, start: number, end: number): boolean {
    const from = this.#table.start(position);
    if (this.#table.end(position) - from !== end - start) return false;
    const known = this.#table.bytes;
    for (let i = 0; i < end - start; i++) if (known[from + i] !== bytes[start + i]) return false;
    return true;
  }

  /** Slot to start at: FNV-1a from a seed of this process, its high bits folded in. */
  #hash(bytes: Buffer, start: number, end: number): number {
    let hash = this.#seed;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    return (hash ^ (hash >>> 13)) & this.#mask;
  }
}
