import { createHash } from 'node:crypto';
import { ClosedError, InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { storedBytes } from './formats/dequantize.js';
import { quantize } from './formats/quantize.js';
import type { Model, TensorInfo, TensorType } from './model.js';
import type { ModelConfig } from './model-config.js';
import { tensorShapes } from './tensor-names.js';

/** One weight to put into a model in memory: its values, to be stored as `type`, or its bytes as stored. */
export type MemoryTensor =
  | { readonly type: TensorType; readonly values: Float32Array }
  | { readonly type: TensorType; readonly bytes: Uint8Array };

/**
 * A model whose weights lie in memory: for tests, oracles and tools that make weights rather than read them.
 *
 * @param tensors by canonical name, complete: `tensorShapes(config)`.
 * @throws InvalidArgumentError for a missing or unknown name, ShapeMismatchError for a wrong size.
 */
export function createMemoryModel(config: ModelConfig, tensors: ReadonlyMap<string, MemoryTensor>): Model {
  const shapes = tensorShapes(config);
  for (const name of tensors.keys()) if (!shapes.has(name)) throw new InvalidArgumentError(`Tensor ${name} does not belong to the model.`);
  const infos = new Map<string, TensorInfo>();
  const hash = createHash('sha256').update(JSON.stringify(config));
  let sizeBytes = 0;
  for (const [name, [rows, columns]] of shapes) {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new InvalidArgumentError(`Tensor ${name} is missing.`);
    if ('values' in tensor && tensor.values.length !== rows * columns)
      throw new ShapeMismatchError(name, [rows, columns], [tensor.values.length]);
    storedBytes(tensor.type, columns); // a row is whole blocks
    const bytes = 'values' in tensor ? quantize(tensor.type, tensor.values) : tensor.bytes;
    const expectedBytes = storedBytes(tensor.type, rows * columns);
    if (bytes.byteLength !== expectedBytes) throw new ShapeMismatchError(`${name} in bytes`, [expectedBytes], [bytes.byteLength]);
    hash.update(`${name} ${tensor.type} ${rows} ${columns}`).update(bytes);
    sizeBytes += bytes.byteLength;
    infos.set(name, { name, sourceName: name, type: tensor.type, rows, columns, data: { kind: 'memory', bytes } });
  }
  let closed = false;
  return {
    config,
    tensors: infos,
    fingerprint: hash.digest('hex'),
    sizeBytes,
    async read(name) {
      if (closed) throw new ClosedError('The model');
      const data = infos.get(name)?.data;
      if (data?.kind !== 'memory') throw new InvalidArgumentError(`The model has no tensor ${name}.`);
      return data.bytes;
    },
    async close() {
      closed = true;
    },
  };
}
