import type { Segment } from '@gateskip/backend';
import type { KvPool, KvRow } from './kv-pool.js';
import type { Sequence } from './sequence.js';

/** The K/V rows that a step adds, held apart from the sequences until all of it has succeeded. */
export class PendingRows {
  readonly #pool: KvPool;
  readonly #segments: readonly Segment[];
  readonly #sequences: readonly Sequence[];
  /** [segments][layers][rows of the segment] */
  readonly #added: (KvRow | undefined)[][][];

  constructor(pool: KvPool, segments: readonly Segment[], sequences: readonly Sequence[], layers: number) {
    this.#pool = pool;
    this.#segments = segments;
    this.#sequences = sequences;
    this.#added = segments.map(({ length }) => Array.from({ length: layers }, () => new Array<KvRow | undefined>(length).fill(undefined)));
  }

  row(segment: number, layer: number, index: number): KvRow | undefined {
    return this.#added[segment]![layer]![index];
  }

  allocate(segment: number, layer: number, index: number): KvRow {
    const row = this.#pool.allocate(layer);
    this.#added[segment]![layer]![index] = row;
    return row;
  }

  /** Gives the token the row that it has at the layer below, if any. */
  alias(segment: number, layer: number, index: number): void {
    const below = this.row(segment, layer - 1, index);
    if (below !== undefined) this.#added[segment]![layer]![index] = this.#pool.retain(below);
  }

  /** What row `index` of a segment sees at a layer: the sequence's rows, those added before it, and its own. */
  visible(segment: number, layer: number, index: number): KvRow[] {
    const sequence = this.#sequences[segment]!;
    const own = this.#added[segment]![layer]!.slice(0, index + 1).filter((row) => row !== undefined);
    return [...sequence.rowsBefore(layer, sequence.length), ...own];
  }

  commit(): void {
    for (const [segment, sequence] of this.#sequences.entries()) sequence.append(this.#added[segment]!, this.#segments[segment]!.length);
  }

  rollback(): void {
    for (const layers of this.#added) for (const table of layers) for (const row of table) if (row !== undefined) this.#pool.release(row);
  }
}
