import { GateskipError } from '@gateskip/errors';

/** Fewer calibration tokens than the fit needs; `fields.expected` and `fields.got` say how many. */
export class TooLittleTextError extends GateskipError {
  constructor(needed: number, got: number, why: string) {
    super('GS_TOO_LITTLE_TEXT', `The calibration text has ${got} usable tokens, ${needed} are needed: ${why}.`, 'Give a longer text.', {
      what: 'calibration text',
      expected: needed,
      got,
    });
  }
}

/** The model gave NaN or infinity on the calibration text. */
export class NonFiniteTraceError extends GateskipError {
  constructor(what: string, branch: number | undefined, token: number) {
    const where = branch === undefined ? '' : ` of branch ${branch} (layer ${branch >> 1}, ${branch % 2 === 0 ? 'attention' : 'MLP'})`;
    super(
      'GS_NON_FINITE_TRACE',
      `The ${what}${where} is not finite at calibration token ${token}.`,
      'Check the model file; a model of half precision may overflow.',
      { what, branch, got: token },
    );
  }
}

/** No branch can be told apart from another: every update has the same size, or nothing may skip. */
export class NothingToFitError extends GateskipError {
  constructor(reason: string) {
    super('GS_NOTHING_TO_FIT', `There is nothing to fit: ${reason}.`, 'Protect fewer branches, or give more varied text.', {
      what: reason,
    });
  }
}

/** The gates of an adapter have no form that a score head can take the place of. */
export class CannotDistillError extends GateskipError {
  constructor(adapterName: string, reason: string, remedy: string, expected: unknown, got: unknown) {
    super('GS_CANNOT_DISTILL', `The gates of adapter "${adapterName}" cannot be distilled: ${reason}.`, remedy, {
      what: 'adapter',
      expected,
      got,
    });
  }
}
