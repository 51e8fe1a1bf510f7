import { type ErrorFields, GateskipError } from '@gateskip/errors';
import { printable } from '../errors.js';

/** A model cannot be written: it has no file form, the type cannot hold it, or the target is no place for it. */
export class ModelNotWritableError extends GateskipError {
  constructor(message: string, remedy: string, fields: ErrorFields = {}) {
    super('GS_MODEL_NOT_WRITABLE', message, remedy, fields);
  }
}

/** Something is where a model is to be written, and it was not said that it may be replaced. */
export class ModelExistsError extends GateskipError {
  constructor(path: string) {
    super('GS_MODEL_EXISTS', `${printable(path)} exists.`, 'Name another place, or ask for it to be replaced (force).', { what: path });
  }
}
