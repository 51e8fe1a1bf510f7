import { checkWhole } from './checks.js';
import { mixSeeds, shuffledIndices } from './shuffle.js';
import type { MicroBatch, TrainingSequence } from './training-text.js';

export interface PackOptions {
  /** Most rows of one micro-batch, at least 4. */
  readonly rows: number;
  /** u32 */
  readonly seed: number;
  /** How often the text was read before: every time has an order of its own. */
  readonly epoch: number;
}

/** Batches that still wait for something that fits; more fill better, fewer keep the order more random. */
const OPEN_BATCHES = 32;

/**
 * All sequences in a random order, packed without padding: every row is in exactly one micro-batch. The same arguments give
 * the same batches, so that a run goes on by their index.
 *
 * A sequence of more than `rows` is cut into pieces of about equal length, each a segment whose positions begin at 0; the
 * last row of a piece weighs 0, for what it predicts lies in the next one.
 *
 * @throws InvalidArgumentError
 */
export function packMicroBatches(sequences: readonly TrainingSequence[], { rows, seed, epoch }: PackOptions): readonly MicroBatch[] {
  checkWhole('rows', rows, 4, 65_536);
  checkWhole('seed', seed, 0, 4_294_967_295);
  checkWhole('epoch', epoch, 0, 4_294_967_295);
  const pieces = sequences.flatMap((sequence) => piecesOf(sequence, rows));
  const full: OpenBatch[] = [];
  const open: OpenBatch[] = [];
  for (const index of shuffledIndices(pieces.length, mixSeeds(seed, epoch))) {
    const piece = pieces[index] as TrainingSequence;
    const length = piece.tokens.length;
    let batch = open.find(({ room }) => room >= length);
    if (batch === undefined) {
      if (open.length === OPEN_BATCHES) full.push(open.shift() as OpenBatch);
      open.push((batch = { room: rows, sequences: [] }));
    }
    batch.sequences.push(piece);
    batch.room -= length;
    if (batch.room < 2) full.push(...open.splice(open.indexOf(batch), 1));
  }
  return [...full, ...open].map(toMicroBatch);
}

interface OpenBatch {
  room: number;
  readonly sequences: TrainingSequence[];
}

function piecesOf(sequence: TrainingSequence, rows: number): TrainingSequence[] {
  const { tokens, rowWeights } = sequence;
  const count = Math.ceil(tokens.length / rows);
  if (count <= 1) return [sequence];
  return Array.from({ length: count }, (_, piece) => {
    const start = Math.floor((piece * tokens.length) / count);
    const end = Math.floor(((piece + 1) * tokens.length) / count);
    const weights = rowWeights.slice(start, end);
    weights[weights.length - 1] = 0;
    return { tokens: tokens.subarray(start, end), rowWeights: weights };
  });
}

function toMicroBatch({ sequences }: OpenBatch): MicroBatch {
  const segmentLengths = Int32Array.from(sequences, ({ tokens }) => tokens.length);
  const count = segmentLengths.reduce((sum, length) => sum + length, 0);
  const tokens = new Int32Array(count);
  const rowWeights = new Float32Array(count);
  let row = 0;
  for (const sequence of sequences) {
    tokens.set(sequence.tokens, row);
    rowWeights.set(sequence.rowWeights, row);
    row += sequence.tokens.length;
  }
  return { tokens, segmentLengths, rowWeights, sequences };
}
