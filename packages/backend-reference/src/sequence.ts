import type { KvPool, KvRow } from './kv-pool.js';

/** The K/V rows of one sequence: per layer, one entry per position, undefined where the token has none there. */
export class Sequence {
  length = 0;
  readonly #pool: KvPool;
  readonly #tables: (KvRow | undefined)[][];

  constructor(pool: KvPool, layers: number) {
    this.#pool = pool;
    this.#tables = Array.from({ length: layers }, () => []);
  }

  row(layer: number, position: number): KvRow | undefined {
    return this.#tables[layer]![position];
  }

  /** Rows that a token at `position` sees of this sequence, in order. */
  rowsBefore(layer: number, position: number): KvRow[] {
    return this.#tables[layer]!.slice(0, position).filter((row) => row !== undefined);
  }

  /** Takes over one reference to each row: [layers][added]. */
  append(added: readonly (readonly (KvRow | undefined)[])[], tokens: number): void {
    for (const [layer, table] of this.#tables.entries()) table.push(...added[layer]!);
    this.length += tokens;
  }

  fork(length: number): Sequence {
    const copy = new Sequence(this.#pool, this.#tables.length);
    const shared = this.#tables.map((table) => table.slice(0, length));
    for (const table of shared) for (const row of table) if (row !== undefined) this.#pool.retain(row);
    copy.append(shared, length);
    return copy;
  }

  truncate(length: number): void {
    for (const table of this.#tables) for (const row of table.splice(length)) if (row !== undefined) this.#pool.release(row);
    this.length = length;
  }

  /** Different rows in use: an alias is the row that it names. */
  usedRows(): number {
    const rows = new Set<KvRow>();
    for (const table of this.#tables) for (const row of table) if (row !== undefined) rows.add(row);
    return rows.size;
  }
}
