import { type ErrorFields, GateskipError } from '@gateskip/errors';
import { printable } from '../errors.js';

/** A gate file breaks its own rules: damaged, made by something else, or with numbers that no gate can have. */
export class AdapterInvalidError extends GateskipError {
  constructor(path: string, message: string, fields: ErrorFields = {}) {
    super('GS_ADAPTER_INVALID', `Gate file ${printable(path)}: ${message}`, 'Make it again with `gateskip fit`, or take another one.', {
      what: path,
      ...fields,
    });
  }
}

/** A gate file is sound but was made for another model. */
export class AdapterMismatchError extends GateskipError {
  constructor(message: string, expected: unknown, got: unknown) {
    super('GS_ADAPTER_MISMATCH', message, 'Use the gate file of this model, or fit one with `gateskip fit`.', { expected, got });
  }
}
