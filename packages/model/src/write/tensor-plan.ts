import type { Model, TensorInfo, TensorType } from '../model.js';
import { tensorBytes } from '../tensor-bytes.js';
import { ModelNotWritableError } from './errors.js';
import type { WrittenModelType } from './form-writer.js';

/** A tensor of a model that will be written. */
export interface TensorPlan {
  readonly info: TensorInfo;
  readonly type: TensorType;
  readonly sizeBytes: number;
}

/** How each tensor of a model will be stored: matrices as asked, norm weights as F32. @throws ModelNotWritableError */
export function planTensors(source: Model, type: WrittenModelType): TensorPlan[] {
  return [...source.tensors.values()].map((info) => {
    const { name, rows, columns } = info;
    const stored = rows === 1 ? 'F32' : type;
    const sizeBytes = tensorBytes(stored, rows, columns);
    if (sizeBytes === undefined)
      throw new ModelNotWritableError(
        `Rows of ${columns} values of tensor "${name}" are not whole ${stored} blocks of 32.`,
        'Write the model as F32 or F16.',
        { what: name, got: columns },
      );
    return { info, type: stored, sizeBytes };
  });
}
