import { GateskipError } from '@gateskip/errors';

/** A gate or stand-in holds NaN or an infinity. */
export class GateNotFiniteError extends GateskipError {
  constructor(what: string, index: number, got: number) {
    super(
      'GS_GATE_NOT_FINITE',
      `Element ${index} of the ${what} is ${got}.`,
      'The file is damaged or training diverged: take another adapter.',
      {
        what,
        index,
        got: String(got),
      },
    );
  }
}
