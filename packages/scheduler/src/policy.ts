import type { Calibration, GateSpec, ModelShape, Plan } from '@gateskip/gate';
import type { BranchProfile } from './profile.js';

/**
 * What a person asks for.
 *
 * - `skip`: share of all branch-token evaluations skipped, 0..1
 * - `net`: share of the dense layer MACs really spent, gates included, 0..1 (0.85 = 15 % saved)
 * - `speedup`: how many times less work than dense, the output head (never skipped) included, at least 1
 */
export type Budget = { readonly skip: number } | { readonly net: number } | { readonly speedup: number };

/** What a policy may know. */
export interface PolicyContext {
  readonly shape: ModelShape;
  readonly budget: Budget;
  readonly gates?: GateSpec;
  /** MACs of a skipping token's stand-in in one branch (`standInMacs` of @gateskip/gate); default 0. */
  readonly standInMacs?: number;
  readonly calibration?: Calibration;
  /** Measurements of the dense model, `gateskip profile` makes them. */
  readonly profile?: BranchProfile;
  /** Options of one policy only, validated by it. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/**
 * How a policy keeps to its {@link Policy.budget}. Rows of pinned tokens run in full and are not part of it.
 *
 * - `exact`: every row skips exactly that share of branch evaluations, whatever the text.
 * - `at-most`: over a text of whatever length, no more is spent than asked (MACs by the accounting of @gateskip/gate), and
 *   less only by what one row can save with one unit more.
 * - `long-run`: held over a text, in expectation or by a controller; single stretches differ.
 * - `step-share`: of the rows of each step at most the asked share skips a branch; a lone row skips only where that share is all.
 * - `none`: depends on the scores of the step and the company in it.
 */
export type BudgetPromise = 'exact' | 'at-most' | 'long-run' | 'step-share' | 'none';

/** What a policy cannot do without: parts of its context, or (`scores`) of the {@link SequenceStart}. */
export type PolicyNeed = 'gates' | 'calibration' | 'profile' | 'scores';

/** One way to choose what is skipped. One file each; adding one is adding a file and a line in the list. */
export interface PolicyFactory {
  readonly name: string;
  readonly description: string;
  /** Paper or code it follows, for credit; 'gateskip' where it is ours. */
  readonly source: string;
  /** Whether one sequence's plan may depend on its batch mates. Only the published batch ranking does. */
  readonly couplesSequences: boolean;
  readonly needs: readonly PolicyNeed[];
  readonly promises: BudgetPromise;
  /** @throws InvalidBudgetError, UnreachableBudgetError, PolicyNeedsError, InvalidArgumentError: what it cannot serve, with the remedy. */
  create(context: PolicyContext): Policy;
}

export interface Policy {
  readonly name: string;
  readonly budget: Budget;
  /** What the prompt's rows may skip, where that is not {@link budget} (option `promptBudget`). */
  readonly promptBudget?: Budget;
  readonly couplesSequences: boolean;
  /** A new sequence. Everything that adapts lives in the returned object and depends on that sequence alone. */
  open(start: SequenceStart): SequencePolicy;
}

export interface SequenceStart {
  /** Tokens of the prompt. The controller starts after them; within the prompt the thresholds stand still. */
  readonly promptTokens: number;
  /**
   * What skipping would lose, for every branch and every token of the very text that will run: [2L, tokens]. Only policies
   * that need `scores` read it (analysis); a text that is still to be written has none.
   */
  readonly scores?: Float32Array;
}

export interface SequencePolicy {
  /**
   * How many rows from `position` on may go into one plan: plans change at fixed positions only, so that text depends
   * neither on chunk sizes nor on batch mates. At least 1.
   */
  spanAt(position: number): number;
  /** The plan for rows `position .. position + rows - 1`; `pinned` (length `rows`) is set where rows must not skip. */
  plan(position: number, rows: number): Plan;
  /** Whether {@link Observation.scores} is needed. */
  readonly wantsScores: boolean;
  /** What the step really did with this sequence's rows. Called once per step, in order of position. */
  observe(observation: Observation): void;
  /** A copy with the same state, for a forked sequence. */
  fork(): SequencePolicy;
}

export interface Observation {
  readonly position: number;
  readonly rows: number;
  /** Rows kept per branch: [2L]. */
  readonly kept: ArrayLike<number>;
  /** Layer MACs spent and the dense model's for the same rows. */
  readonly macs: number;
  readonly denseMacs: number;
  /** [2L, rows] where {@link SequencePolicy.wantsScores}. */
  readonly scores?: Float32Array;
}
