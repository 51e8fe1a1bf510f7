/** What a thrower knows beyond the message; plain data, so that it can be printed as JSON. */
export interface ErrorFields {
  /** What the error is about: a tensor, a file, an option. */
  readonly what?: string;
  readonly expected?: unknown;
  readonly got?: unknown;
  readonly [key: string]: unknown;
}

/**
 * Base of every error that gateskip throws on purpose.
 *
 * `code` is stable and meant for programs (`GS_SHAPE_MISMATCH`); `message` says what happened, with the numbers;
 * `remedy` says what the reader can do about it. Subclasses exist one per cause.
 */
export class GateskipError extends Error {
  readonly code: string;
  readonly remedy: string;
  readonly fields: ErrorFields;

  constructor(code: string, message: string, remedy: string, fields: ErrorFields = {}, options?: ErrorOptions) {
    super(remedy ? `${message} ${remedy}` : message, options);
    this.name = new.target.name;
    this.code = code;
    this.remedy = remedy;
    this.fields = fields;
  }

  toJSON(): { code: string; message: string; remedy: string; fields: ErrorFields } {
    return { code: this.code, message: this.message, remedy: this.remedy, fields: this.fields };
  }
}

export function isGateskipError(value: unknown): value is GateskipError {
  return (
    value instanceof Error &&
    typeof (value as { code?: unknown }).code === 'string' &&
    String((value as { code?: unknown }).code).startsWith('GS_')
  );
}
