export {
  AbortedError,
  BackendUnavailableError,
  BusyError,
  ClosedError,
  InsufficientMemoryError,
  InvalidArgumentError,
  ShapeMismatchError,
  UnsupportedError,
} from './common-errors.js';
export type { ErrorFields } from './gateskip-error.js';
export { GateskipError, isGateskipError } from './gateskip-error.js';
