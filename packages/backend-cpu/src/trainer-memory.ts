import { type TrainerOptions, trainerParameters } from '@gateskip/backend';
import { InsufficientMemoryError } from '@gateskip/errors';
import type { Model, ModelConfig } from '@gateskip/model';

const FLOAT_BYTES = 4;

/** Weights are held in float32; while they are read, in packed form too. What is trained has a gradient beside it. */
export function checkTrainerMemory(model: Model, options: TrainerOptions): void {
  let needed = 0;
  for (const { shape } of trainerParameters(model.config, options))
    needed += 2 * FLOAT_BYTES * shape.reduce((product, size) => product * size, 1);
  for (const { rows, columns, data } of model.tensors.values())
    needed += rows * columns * FLOAT_BYTES + (data.kind === 'file' ? data.sizeBytes : data.bytes.byteLength);
  check('Loading a model to train', needed, 'Take a smaller model or train fewer parameter groups.');
}

/** Bytes that `rows` more rows of a step need; see docs/training-step.md, what is kept. */
export function stepBytes(config: ModelConfig, rows: number, recompute: boolean): number {
  const { layers, hiddenSize: d, intermediateSize: inner, heads, kvHeads, headSize } = config;
  const q = heads * headSize;
  const kv = kvHeads * headSize;
  const always = layers * (2 * d + 4 * kv);
  const tape = 2 * d + 2 * q + 2 * inner;
  const scratch = 10 * d + 2 * q + 3 * inner + 8 * kv;
  return rows * FLOAT_BYTES * (always + (recompute ? 1 : layers) * tape + scratch);
}

export function checkStepMemory(config: ModelConfig, rows: number, recompute: boolean): void {
  const remedy = recompute ? 'Take smaller micro-batches.' : 'Take smaller micro-batches, or load with recompute.';
  check('A training step', stepBytes(config, rows, recompute), remedy);
}

function check(what: string, needed: number, remedy: string): void {
  const available = process.availableMemory();
  if (needed > available) throw new InsufficientMemoryError(what, needed, available, remedy);
}
