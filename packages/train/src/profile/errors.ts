import { GateskipError } from '@gateskip/errors';

/** A profile file breaks its own rules: damaged, too large, or made by something else. */
export class ProfileInvalidError extends GateskipError {
  constructor(path: string, message: string) {
    super('GS_PROFILE_INVALID', `Profile ${JSON.stringify(path)}: ${message}`, 'Make it again with `gateskip profile`.', { what: path });
  }
}

/** A profile is sound but was made for another model. */
export class ProfileMismatchError extends GateskipError {
  constructor(message: string, expected: unknown, got: unknown) {
    super('GS_PROFILE_MISMATCH', message, 'Use the profile of this model, or make one with `gateskip profile`.', { expected, got });
  }
}
