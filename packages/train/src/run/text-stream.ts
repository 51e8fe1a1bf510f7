import { InvalidArgumentError } from '@gateskip/errors';
import { type PackOptions, packMicroBatches } from '../data/pack-micro-batches.js';
import type { MicroBatch, TrainingSequence } from '../data/training-text.js';

/** Where a run is in its text; enough to go on. */
export interface TextPosition {
  /** How often the text was begun anew. */
  readonly epoch: number;
  /** Micro-batches of this epoch that were taken. */
  readonly index: number;
}

/** The text in micro-batches, in another order every time around, without end. */
export class TextStream {
  #epoch: number;
  #index: number;
  #batches: readonly MicroBatch[] | undefined;

  constructor(
    private readonly sequences: readonly TrainingSequence[],
    private readonly options: { readonly rows: number; readonly seed: number },
    position: TextPosition = { epoch: 0, index: 0 },
  ) {
    this.#epoch = position.epoch;
    this.#index = position.index;
  }

  next(): MicroBatch {
    this.#batches ??= this.#pack();
    if (this.#index >= this.#batches.length) {
      this.#epoch++;
      this.#index = 0;
      this.#batches = this.#pack();
    }
    return this.#batches[this.#index++] as MicroBatch;
  }

  get position(): TextPosition {
    return { epoch: this.#epoch, index: this.#index };
  }

  #pack(): readonly MicroBatch[] {
    return countingBatches(this.sequences, { ...this.options, epoch: this.#epoch });
  }
}

/**
 * Micro-batches with something to learn: pieces of a long prompt alone would be work for nothing.
 *
 * @throws InvalidArgumentError where there is none
 */
export function countingBatches(sequences: readonly TrainingSequence[], options: PackOptions): readonly MicroBatch[] {
  const batches = packMicroBatches(sequences, options).filter(({ rowWeights }) => rowWeights.some((weight) => weight > 0));
  if (batches.length > 0) return batches;
  throw new InvalidArgumentError('No row of the text counts: it is all prompt.', 'Give text with answers.', { what: 'text' });
}
