/**
 * Gate variants. x is the gate's input, d wide; σ the logistic function.
 *
 * - `vector`:   g = σ(W x + b), W [d, d]
 * - `scalar`:   g = σ(w·x + b), one number for all dimensions
 * - `mlp`:      g = σ(W2 silu(W1 x + b1) + b2), W1 [hidden, d], W2 [d, hidden]
 * - `low-rank`: g = σ(U (V x) + b), V [rank, d], U [d, rank]
 * - `hybrid`:   g = σ(W x + b) · σ(w·x + c): vector times one scalar for the whole branch (named as future work by the paper)
 */
export type GateVariant = 'vector' | 'scalar' | 'mlp' | 'low-rank' | 'hybrid';

/** `separate`: one parameter set per branch. `shared`: one for all attention and one for all MLP branches. */
export type GateSharing = 'separate' | 'shared';

/**
 * What the gate reads.
 *
 * - `before`: the branch's normed input. The score is known before the branch runs, so a skip saves the branch.
 * - `after`: the branch's output. It can weigh the output but is known too late to skip: a research form, for training
 *   and for the reference backend; other backends may refuse it.
 */
export type GatePosition = 'before' | 'after';

/** What a set of gates is, without its numbers. */
export interface GateSpec {
  readonly variant: GateVariant;
  readonly sharing: GateSharing;
  readonly position: GatePosition;
  /** Published form: the gate's output multiplies the branch's output. `false`: the gate only scores (a router). */
  readonly multiplies: boolean;
  /** Rank of `low-rank`. */
  readonly rank?: number;
  /** Inner width of `mlp`. */
  readonly hidden?: number;
}

/**
 * Numbers of one gate, row-major float32. Which are present follows from the variant:
 *
 * | variant | weight | bias | down | downBias | scalarWeight | scalarBias |
 * | --- | --- | --- | --- | --- | --- | --- |
 * | vector | [d, d] | [d] | | | | |
 * | scalar | [1, d] | [1] | | | | |
 * | mlp | [d, hidden] (W2) | [d] (b2) | [hidden, d] (W1) | [hidden] (b1) | | |
 * | low-rank | [d, rank] (U) | [d] | [rank, d] (V) | | | |
 * | hybrid | [d, d] | [d] | | | [d] | [1] |
 */
export interface GateParameters {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly down?: Float32Array;
  readonly downBias?: Float32Array;
  readonly scalarWeight?: Float32Array;
  readonly scalarBias?: Float32Array;
}

/**
 * Low-rank map of a branch's normed input x, by which a stand-in follows the token: a skipping row gets `c + up (down x)`,
 * c its stand-in.
 */
export interface StandInMap {
  /** [rank, d] */
  readonly down: Float32Array;
  /** [d, rank] */
  readonly up: Float32Array;
}

/** Gates of a whole model: what they are, their numbers per branch (shared gates repeat the same object), stand-ins. */
export interface GateSet {
  readonly spec: GateSpec;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Length 2L. */
  readonly gates: readonly GateParameters[];
  /** Length 2L where present: what a skipping row gets in place of the branch's output, [d] each. */
  readonly standIns?: readonly Float32Array[];
  /** Length 2L where present, all of one rank; only beside stand-ins. */
  readonly standInMaps?: readonly StandInMap[];
}
