import { type ErrorFields, GateskipError } from '@gateskip/errors';

/** A backend does not do what the contract says. */
export class ConformanceError extends GateskipError {
  constructor(message: string, fields: ErrorFields = {}) {
    super('GS_NOT_CONFORMANT', message, '', fields);
  }
}

export function check(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new ConformanceError(message());
}

/** Runs what must be refused. */
export async function mustThrow(what: string, code: string, action: () => unknown): Promise<void> {
  let got: unknown;
  try {
    await action();
  } catch (error) {
    got = (error as { code?: unknown }).code ?? error;
    if (got === code) return;
    throw new ConformanceError(`${what}: expected ${code}, got ${String(got)}.`, { what, expected: code, got: String(got) });
  }
  throw new ConformanceError(`${what}: expected ${code}, but it was accepted.`, { what, expected: code });
}
