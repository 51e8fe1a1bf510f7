import { InsufficientMemoryError } from '@gateskip/errors';

/** K (rotated) and V of one token at one layer: [kvHeads * headSize] each. Shared by reference count. */
export interface KvRow {
  readonly layer: number;
  readonly key: Float64Array;
  readonly value: Float64Array;
  references: number;
}

/** Makes and counts K/V rows; the rows of one layer are bounded by `maxTokens`. */
export class KvPool {
  readonly #width: number;
  readonly #maxTokens: number;
  readonly #usedByLayer: Int32Array;

  constructor(layers: number, width: number, maxTokens: number) {
    this.#width = width;
    this.#maxTokens = maxTokens;
    this.#usedByLayer = new Int32Array(layers);
  }

  get used(): number {
    return this.#usedByLayer.reduce((sum, count) => sum + count, 0);
  }

  get rowBytes(): number {
    return 2 * this.#width * Float64Array.BYTES_PER_ELEMENT;
  }

  /** A new row with one reference. @throws InsufficientMemoryError */
  allocate(layer: number): KvRow {
    const used = this.#usedByLayer[layer]!;
    if (used >= this.#maxTokens) {
      throw new InsufficientMemoryError(
        `Layer ${layer} with ${used + 1} K/V rows`,
        (used + 1) * this.rowBytes,
        this.#maxTokens * this.rowBytes,
        `Close or truncate sequences, or load with maxTokens above ${this.#maxTokens}.`,
      );
    }
    this.#usedByLayer[layer] = used + 1;
    return { layer, key: new Float64Array(this.#width), value: new Float64Array(this.#width), references: 1 };
  }

  retain(row: KvRow): KvRow {
    row.references++;
    return row;
  }

  release(row: KvRow): void {
    row.references--;
    if (row.references === 0) this.#usedByLayer[row.layer]!--;
  }
}
