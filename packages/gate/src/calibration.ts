import type { KvMode } from './plan.js';

/** One point of the curve from a global threshold to what it keeps, measured while really skipping. */
export interface CalibrationKnot {
  /** Score at or below which a row skips, in (0, 1), one for all branches. */
  readonly threshold: number;
  /** Share of all branch-token evaluations that were skipped (protected branches and pinned tokens count as kept). */
  readonly skip: number;
  /** Share of the dense layer MACs really spent, gates included. */
  readonly net: number;
  /**
   * Share of the low-rank additions with which it was measured, 0..1: budgets take theirs from the points around them. All points
   * have one or none has; none: additions are always added in full.
   */
  readonly loraStrength?: number;
}

/** What was learned about an adapter's scores on calibration text; the scheduler turns budgets into thresholds with it. */
export interface Calibration {
  readonly kv: KvMode;
  /** Tokens it was measured on. */
  readonly tokens: number;
  /** Branches that must not skip. */
  readonly protectedBranches: readonly number[];
  /** Number of first tokens of a sequence that must not skip. */
  readonly pinnedTokens: number;
  /** Ascending in threshold and skip. The first knot has threshold 0 and skip 0. */
  readonly curve: readonly CalibrationKnot[];
  /** Score quantiles per branch at `levels`, dense run: [2L][levels]. For per-branch thresholds. */
  readonly levels: readonly number[];
  readonly branchQuantiles: readonly (readonly number[])[];
  /** Share of rows that skipped each branch at each knot: [knots][2L]. For matched baselines. */
  readonly branchSkips?: readonly (readonly number[])[];
}
