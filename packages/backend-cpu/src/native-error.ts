import { AbortedError, type GateskipError, InsufficientMemoryError, InvalidArgumentError, UnsupportedError } from '@gateskip/errors';
import { ModelIoError } from '@gateskip/model';

/** The addon's errors carry a code and numbers; here they become the classes that the contract names. */
export function typedError(error: unknown): GateskipError | Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const { nativeCode, needed, available } = error as Error & { nativeCode?: string; needed?: number; available?: number };
  switch (nativeCode) {
    case 'aborted':
      return new AbortedError('The call');
    case 'insufficientMemory':
      return new InsufficientMemoryError(
        error.message,
        needed ?? 0,
        available ?? 0,
        'Close sequences, use shorter ones, or load with a larger maxTokens; kv mode absent stores less.',
      );
    case 'io':
      return new ModelIoError(error.message);
    case 'unsupported':
      return new UnsupportedError(error.message);
    case 'invalidArgument':
      return new InvalidArgumentError(error.message);
    default:
      return error;
  }
}
