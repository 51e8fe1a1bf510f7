import { AbortedError } from '@gateskip/errors';
import { dequantize } from './formats/dequantize.js';
import { typeInfo } from './formats/type-info.js';
import type { Model, TensorInfo } from './model.js';

/** A tensor that holds numbers that are not finite. */
export interface CheckFinding {
  readonly tensor: string;
  readonly sourceName: string;
  readonly nan: number;
  readonly infinite: number;
  /** Row and column of the first one. */
  readonly first: readonly [row: number, column: number];
}

export interface CheckReport {
  readonly ok: boolean;
  readonly tensors: number;
  readonly values: number;
  readonly findings: readonly CheckFinding[];
}

export interface CheckOptions {
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  readonly signal?: AbortSignal;
}

/** Values decoded at once: bounds memory whatever the size of a tensor. */
const chunkValues = 1 << 20;

/** Reads every weight, scale and minimum of a model and reports those that are NaN or infinite. */
export async function checkModel(model: Model, options: CheckOptions = {}): Promise<CheckReport> {
  const findings: CheckFinding[] = [];
  let values = 0;
  let done = 0;
  for (const [name, tensor] of model.tensors) {
    const bytes = await model.read(name);
    const finding = await scan(tensor, bytes, options.signal);
    if (finding) findings.push(finding);
    values += tensor.rows * tensor.columns;
    done += bytes.length;
    options.onProgress?.({ done, total: model.sizeBytes });
  }
  return { ok: findings.length === 0, tensors: model.tensors.size, values, findings };
}

async function scan(tensor: TensorInfo, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<CheckFinding | undefined> {
  const { blockElements, blockBytes } = typeInfo(tensor.type);
  const total = tensor.rows * tensor.columns;
  let nan = 0;
  let infinite = 0;
  let first = -1;
  for (let start = 0; start < total; start += chunkValues) {
    if (signal?.aborted) throw new AbortedError('Checking the model');
    const count = Math.min(chunkValues, total - start);
    const from = (start / blockElements) * blockBytes;
    const decoded = dequantize(tensor.type, bytes.subarray(from, from + (count / blockElements) * blockBytes), count);
    for (let i = 0; i < count; i++) {
      const value = decoded[i] as number;
      if (Number.isFinite(value)) continue;
      if (Number.isNaN(value)) nan++;
      else infinite++;
      if (first < 0) first = start + i;
    }
    // Let timers and aborts through: a large model takes seconds.
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (first < 0) return undefined;
  return {
    tensor: tensor.name,
    sourceName: tensor.sourceName,
    nan,
    infinite,
    first: [Math.floor(first / tensor.columns), first % tensor.columns],
  };
}
