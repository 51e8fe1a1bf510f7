import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { printable } from '../errors.js';
import type { ModelConfig } from '../model-config.js';
import { tensorShapes } from '../tensor-names.js';

/** @throws InvalidArgumentError for a name that the model has not, ShapeMismatchError */
export function checkTensors(config: ModelConfig, tensors: ReadonlyMap<string, Float32Array>): void {
  const shapes = tensorShapes(config);
  for (const [name, values] of tensors) {
    const shape = shapes.get(name);
    if (!shape)
      throw new InvalidArgumentError(`The model has no tensor "${printable(name)}".`, 'Names are those of `tensorShapes`.', { what: name });
    if (!(values instanceof Float32Array)) throw new InvalidArgumentError(`Tensor "${name}" is no Float32Array.`, '', { what: name });
    if (values.length !== shape[0] * shape[1]) throw new ShapeMismatchError(`Tensor "${name}"`, shape, [values.length]);
  }
}
