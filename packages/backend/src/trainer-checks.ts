import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';

export function checkWhole(name: string, value: unknown, least: number, most: number): void {
  if (!(typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most))
    throw new InvalidArgumentError(`${name} must be an integer in ${least}..${most}, got ${String(value)}.`, '', {
      what: name,
      got: value,
    });
}

export function checkArray(
  name: string,
  array: unknown,
  type: Int32ArrayConstructor | Float32ArrayConstructor | Float64ArrayConstructor | Uint8ArrayConstructor,
  length: number,
): void {
  if (!(array instanceof type)) throw new InvalidArgumentError(`${name} must be of type ${type.name}.`);
  if (array.length !== length) throw new ShapeMismatchError(name, [length], [array.length]);
}

/** Values in `least..end - 1`. */
export function checkTokens(name: string, values: Int32Array, least: number, end: number): void {
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value < least || value >= end)
      throw new InvalidArgumentError(`${name}: row ${row} has ${value}, outside ${least}..${end - 1}.`, '', {
        what: name,
        row,
        got: value,
      });
  }
}
