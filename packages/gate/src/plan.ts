/**
 * How a branch decides which rows skip it, within one step and one plan.
 *
 * - `keep`: no row skips.
 * - `threshold`: a row skips where `score <= value` (compared as float32).
 * - `fraction`: exactly `floor(value * unpinned)` unpinned rows skip, the lowest scores first, ties by row order (the
 *   lower row index skips first). `unpinned` counts the plan's unpinned rows of the step.
 * - `quantile`: the published in-batch rule: a row skips where `score <= t`, t the linear-interpolated quantile of the
 *   unpinned rows' scores at share `value`; value 0 skips none, and so does a single unpinned row (published: with one
 *   score there is nothing to rank, the threshold is 0). Couples the rows of a plan like `fraction` does.
 * - `repeat`: the branch runs `value` times (0, 1, 2) for every row; 0 skips it for every unpinned row. K and V of a
 *   repeated attention branch come from its first run, so that a prompt may be cut into chunks anywhere.
 * - `exit`: a row whose confidence passes `value` leaves for good (declared by backends that can).
 *
 * A pinned row never skips. A score that is NaN counts as the highest: its row is kept.
 */
export type Rule = 'keep' | 'threshold' | 'fraction' | 'quantile' | 'repeat' | 'exit';

/**
 * Where scores come from.
 *
 * - `none`: gates are off altogether, also those that multiply; with `keep` on every branch this is the dense model.
 * - `gate`: the adapter's gates. Gates that multiply are applied on every branch, whatever its rule.
 * - `random`: {@link randomScore} of (seed, position, branch); the baseline of every comparison. Gates are off.
 * - `given`: the plan's own {@link Plan.scores}: decisions made beforehand, e.g. by an oracle or a pattern of positions. Gates
 *   are off.
 */
export type Scorer = 'none' | 'gate' | 'random' | 'given';

/**
 * What becomes of K and V of a token that skips attention.
 *
 * - `project`: its own row is computed all the same.
 * - `absent`: there is no row; later tokens do not see it at this layer.
 * - `alias`: the row of the layer below at the same position (none if that layer has none); layer 0 projects.
 */
export type KvMode = 'project' | 'absent' | 'alias';

/** What may be skipped by the rows of one plan in one step. Plain data: printable, comparable, testable. */
export interface Plan {
  readonly scorer: Scorer;
  /** One rule per branch, length 2L. */
  readonly rules: readonly Rule[];
  /** One value per branch, length 2L; meaning by rule, ignored for `keep`. */
  readonly values: Float32Array;
  readonly kv: KvMode;
  /** Whether a skipping row receives the adapter's stand-in vector; default true (no effect without stand-ins). */
  readonly standIns?: boolean;
  /**
   * Share of the adapter's low-rank additions that is added, 0..1; default 1. With 0 they are not computed and cost nothing: with
   * every branch kept the model is then the one that it was before it was adapted.
   */
  readonly loraStrength?: number;
  /** One byte per row of the step, in row order over all plans: 1 = never skips. Absent: no row is pinned. */
  readonly pinned?: Uint8Array;
  /**
   * Scores of the `given` scorer: [2L, R] over all rows of the step, in row order over all plans, of which the plan's own
   * rows are read. One array may serve several plans, since their rows differ.
   */
  readonly scores?: Float32Array;
  /** Seed of the `random` scorer, u32. */
  readonly seed?: number;
}

/** The dense model: every branch kept, gates off. */
export function densePlan(branches: number): Plan {
  return { scorer: 'none', rules: new Array<Rule>(branches).fill('keep'), values: new Float32Array(branches), kv: 'project' };
}
