import { GateskipError } from '@gateskip/errors';
import type { PolicyNeed } from './policy.js';

/** A budget that is not one: a wrong word, a share outside its range, no number. */
export class InvalidBudgetError extends GateskipError {
  constructor(got: unknown, reason: string) {
    super(
      'GS_INVALID_BUDGET',
      `Budget ${JSON.stringify(got) ?? String(got)} is not valid: ${reason}.`,
      'Write skip=25%, net=0.85, speedup=1.3x or 25%.',
      {
        what: 'budget',
        got,
      },
    );
  }
}

/** A budget beyond what this policy can do with this model and adapter; `fields.reachable` is the range. */
export class UnreachableBudgetError extends GateskipError {
  constructor(
    policy: string,
    asked: string,
    reachable: { readonly unit: string; readonly from: number; readonly to: number },
    why: string,
  ) {
    const show = (value: number) => String(Number(value.toPrecision(4)));
    super(
      'GS_BUDGET_UNREACHABLE',
      `Policy ${policy} cannot reach ${asked}: ${why}.`,
      `Ask for ${reachable.unit} from ${show(reachable.from)} to ${show(reachable.to)}.`,
      { what: 'budget', got: asked, reachable },
    );
  }
}

/** No policy has this name. */
export class UnknownPolicyError extends GateskipError {
  constructor(name: string, known: readonly string[]) {
    super('GS_UNKNOWN_POLICY', `There is no policy ${JSON.stringify(name)}.`, `Known: ${known.join(', ')}.`, {
      what: 'policy',
      expected: known,
      got: name,
    });
  }
}

const REMEDIES: Readonly<Record<PolicyNeed, string>> = {
  gates: 'Load a gate adapter, or use policy random or static.',
  calibration: 'Use an adapter with a calibration: gateskip fit makes one.',
  profile: 'Give a profile of the model: gateskip profile makes one.',
  scores: 'It only works on texts that are known in advance, for analysis: open the sequence with the scores of its text.',
};

/** The policy needs gates, a calibration, a profile or the scores of its text, and there is none. */
export class PolicyNeedsError extends GateskipError {
  constructor(policy: string, need: PolicyNeed) {
    super('GS_POLICY_NEEDS', `Policy ${policy} needs ${need}.`, REMEDIES[need], { what: policy, need });
  }
}

/** Plans or observations of a sequence do not follow its tokens. */
export class SequenceOrderError extends GateskipError {
  constructor(what: string, expected: string, got: string) {
    super(
      'GS_SEQUENCE_ORDER',
      `${what}: expected ${expected}, got ${got}.`,
      'Plan at most spanAt(position) rows and observe every step once, in order.',
      {
        what,
        expected,
        got,
      },
    );
  }
}
