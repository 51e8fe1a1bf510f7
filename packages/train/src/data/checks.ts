import { InvalidArgumentError } from '@gateskip/errors';

/** @throws InvalidArgumentError */
export function checkWhole(what: string, got: number, least: number, most: number): void {
  if (Number.isInteger(got) && got >= least && got <= most) return;
  throw new InvalidArgumentError(`${what} is ${got}.`, `Pass a whole number from ${least} to ${most}.`, {
    what,
    expected: [least, most],
    got,
  });
}

/** @throws InvalidArgumentError also for NaN */
export function checkNumber(what: string, got: number, least: number, most: number): void {
  if (got >= least && got <= most) return;
  throw new InvalidArgumentError(`${what} is ${got}.`, `Pass a number from ${least} to ${most}.`, { what, expected: [least, most], got });
}

/** @throws InvalidArgumentError */
export function checkLicense(license: string): void {
  if (typeof license === 'string' && license.trim() !== '' && license.length <= 4096) return;
  throw new InvalidArgumentError(
    'The text has no license.',
    'Say under which license it may be used; it is written into what is trained on it.',
    { what: 'license' },
  );
}
