import { InvalidArgumentError } from '@gateskip/errors';

export function refuse(field: string, expected: string, got: unknown): never {
  const shown =
    typeof got === 'string' ? JSON.stringify(got.slice(0, 64)) : typeof got === 'object' && got !== null ? 'an object' : String(got);
  throw new InvalidArgumentError(`${field} must be ${expected}, got ${shown}.`, '', { what: field, expected, got: shown });
}

export function integerIn(field: string, value: unknown, minimum: number, maximum: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < minimum || value > maximum) {
    refuse(field, `an integer from ${minimum} to ${maximum}`, value);
  }
  return value;
}

export function numberIn(field: string, value: unknown, minimum: number, maximum: number): number {
  // Written so that NaN is refused too.
  if (typeof value !== 'number' || !(value >= minimum && value <= maximum)) refuse(field, `a number from ${minimum} to ${maximum}`, value);
  return value;
}

export function booleanOf(field: string, value: unknown): boolean {
  if (typeof value !== 'boolean') refuse(field, 'true or false', value);
  return value;
}

export function oneOf<T extends string>(field: string, value: unknown, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) refuse(field, `one of ${choices.join(', ')}`, value);
  return found;
}

export function recordOf(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(field, 'an object', value);
  return value as Readonly<Record<string, unknown>>;
}
