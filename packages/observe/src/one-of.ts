import { InvalidArgumentError } from '@gateskip/errors';

/** @throws InvalidArgumentError where an option is none of its names. */
export function oneOf(what: string, got: string, allowed: readonly string[]): void {
  if (!allowed.includes(got)) {
    throw new InvalidArgumentError(`${what} is "${got}".`, `Pass one of ${allowed.join(', ')}.`, { what, expected: allowed, got });
  }
}
