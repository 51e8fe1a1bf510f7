import { type ErrorFields, GateskipError } from './gateskip-error.js';

/** An argument is outside what the function is defined for. */
export class InvalidArgumentError extends GateskipError {
  constructor(message: string, remedy = '', fields: ErrorFields = {}) {
    super('GS_INVALID_ARGUMENT', message, remedy, fields);
  }
}

/** Two things that must have the same shape have not. */
export class ShapeMismatchError extends GateskipError {
  constructor(what: string, expected: unknown, got: unknown, remedy = '') {
    super('GS_SHAPE_MISMATCH', `${what}: expected shape ${JSON.stringify(expected)}, got ${JSON.stringify(got)}.`, remedy, {
      what,
      expected,
      got,
    });
  }
}

/** Well formed, but not something this code can do. */
export class UnsupportedError extends GateskipError {
  constructor(message: string, remedy = '', fields: ErrorFields = {}) {
    super('GS_UNSUPPORTED', message, remedy, fields);
  }
}

/** No backend can run here; `fields.reasons` lists why, one line each. */
export class BackendUnavailableError extends GateskipError {
  constructor(backend: string, reasons: readonly string[], remedy = '') {
    super('GS_BACKEND_UNAVAILABLE', `Backend "${backend}" cannot run here: ${reasons.join('; ')}.`, remedy, { what: backend, reasons });
  }
}

/** Memory for weights or K/V rows is not there; `fields.neededBytes` and `fields.availableBytes` say how much. */
export class InsufficientMemoryError extends GateskipError {
  constructor(what: string, neededBytes: number, availableBytes: number, remedy = '') {
    super(
      'GS_INSUFFICIENT_MEMORY',
      `${what} needs ${(neededBytes / 1048576).toFixed(1)} MiB, ${(availableBytes / 1048576).toFixed(1)} MiB are allowed.`,
      remedy,
      { what, neededBytes, availableBytes },
    );
  }
}

/** The caller's AbortSignal fired. Nothing of the aborted call remains. */
export class AbortedError extends GateskipError {
  constructor(what: string) {
    super('GS_ABORTED', `${what} was aborted.`, '', { what });
  }
}

/** Used after `close()`. */
export class ClosedError extends GateskipError {
  constructor(what: string) {
    super('GS_CLOSED', `${what} is closed.`, 'Open a new one.', { what });
  }
}

/** Called while another call on the same object is in flight. */
export class BusyError extends GateskipError {
  constructor(what: string) {
    super('GS_BUSY', `${what} is busy with another call.`, 'Await the pending call first.', { what });
  }
}
