import type { FloatArray, GateSet, Plan } from '@gateskip/gate';
import type { LayerMatrix, ModelConfig } from '@gateskip/model';
import type { Capabilities } from './contract.js';
import type { TrainLoss } from './trainer-loss.js';

/**
 * What may be trained, in parts:
 *
 * - `gates`: every array of every gate.
 * - `standIns`: what skipped rows get; they start at zero where the gates come without. Their maps too, where the gates come with such.
 * - `lora`: low-rank additions to the matrices that `LoraOptions` names.
 * - `norms`: attention, MLP and output norm weights.
 * - `backbone`: token embedding, all matrices of all layers, and the output head where it is not the embedding.
 */
export type ParameterGroup = 'gates' | 'standIns' | 'lora' | 'norms' | 'backbone';

/**
 * Low-rank additions (Hu et al., 2021): `y = W x + (alpha / rank) up (down x)`, W [rows, columns] frozen or not,
 * down [rank, columns], up [rows, rank]. `up` starts at zero, so training starts from the model itself.
 */
export interface LoraOptions {
  /** 1..512, and no more than the smaller side of any of the matrices. */
  readonly rank: number;
  readonly alpha: number;
  /** In every layer. */
  readonly matrices: readonly LayerMatrix[];
  /** u32; `down` is drawn by `drawLoraDown`, the same on every backend. */
  readonly seed: number;
}

export interface TrainerOptions {
  /** Gates and stand-ins to start from; they are copied. Needed for scorer `gate` and for stand-ins. */
  readonly gates?: GateSet;
  readonly lora?: LoraOptions;
  /** What gets gradients; everything else is frozen. May be empty: a trainer that only evaluates. */
  readonly trainable: readonly ParameterGroup[];
  /** Published: gates read their input detached, no gradient reaches the stream through them. Default true. */
  readonly detachGateInput?: boolean;
  /**
   * Keep only the input stream of every branch and K, V, and run each branch again on the way back: about a third more
   * work for a small part of the memory. The results are the same bits. Default false.
   */
  readonly recompute?: boolean;
  /** Most rows of one step, 1..65536; buffers are sized by it. Default 4096. */
  readonly maxRows?: number;
  /** Worker threads; default: the backend's own choice. */
  readonly threads?: number;
  /** Called with 0..1 while weights are read. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
  /** Options of one backend only; unknown keys are refused. */
  readonly extra?: Readonly<Record<string, string | number | boolean>>;
}

/** One array of numbers and its gradient. Live views: write `value` between steps to train, `gradient` to clip. */
export interface TrainerParameter {
  /** See `trainerParameters`. */
  readonly name: string;
  readonly group: ParameterGroup;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly value: Float32Array;
  /** The sum over all steps since `zeroGradients`; in the precision that the backend sums in. */
  readonly gradient: FloatArray;
}

/**
 * One micro-batch: N rows of S segments, packed one after another without padding. A row sees itself and the earlier
 * rows of its segment, nothing of other segments.
 */
export interface TrainStepInput {
  /** [N] */
  readonly tokens: Int32Array;
  /** [S], each at least 1 and at most the context length; their sum is N. */
  readonly segmentLengths: Int32Array;
  /** Position of each row for the rotation, 0..context length - 1: [N]. Default: 0, 1, 2, ... in every segment. */
  readonly positions?: Int32Array;
  /**
   * What skips, exactly as `Runner.step` would do it with one plan for all rows and a new sequence per segment: rules,
   * float32 comparison, pinned rows [N], kv mode, stand-ins, multiplying gates. `fraction` and `quantile` rank all N
   * rows together. Not `exit`, and `repeat` only with 0 (a dropped branch) or 1. One global threshold over all branches
   * is the same value everywhere, a threshold weighted by cost is a value per branch; drawing a budget per step is
   * passing other values per step.
   */
  readonly plan: Plan;
  /** How the choice to skip is trained; absent: skipping gives scores no gradient, and skipped rows are not computed. */
  readonly straightThrough?: StraightThroughOptions;
  readonly loss: TrainLoss;
  readonly want?: {
    /** Scores of every row for every branch, also where no rule needs them. */
    readonly scores?: boolean;
    readonly keptRows?: boolean;
    /** What every row is worth to every branch, by `step` alone; needs `straightThrough` and gates that are trained. */
    readonly gains?: boolean;
    /** Rows whose logits are wanted, ascending. */
    readonly logits?: Int32Array;
  };
}

/**
 * Straight-through skipping (Bengio et al., 2013), on branches whose rule compares scores of the gates (`threshold`,
 * `fraction`, `quantile` with scorer `gate`).
 *
 * Forward: hard, `y = kept * f + (1 - kept) * s`; f is what the branch adds to a kept row (gate applied where gates
 * multiply), s its stand-in or zero. Backward: f and s get their exact gradients (`kept * dy`, `(1 - kept) * dy`; where s reads the branch's
 * input by a map, that gets its own through it), and the score of every taught row gets
 *
 *     dL/dscore = slope * sum_i dL/dy_i * (f_i - s_i)
 *     slope     = sigma'((score - t) / T) / T      with temperature T;  1 without
 *
 * as if `kept` were `sigma((score - t) / T)`. It adds to what the score gets from elsewhere, and goes on into the gate.
 *
 * - t is the branch's threshold: the rule's value (as float32); for `quantile` the interpolated quantile; for
 *   `fraction` the highest score that skipped. A branch without a threshold (`quantile` with value 0 or fewer than two
 *   unpinned rows, `fraction` that skips none) gives its scores no such gradient. `score` is not rounded here.
 * - f of a skipped row is what the branch would have added if this row alone had been kept: it attends to the K and V that
 *   earlier rows left, and to its own projected ones, also where kv mode `absent` or `alias` leaves none behind. It is a
 *   constant: no gradient flows into it. That later rows would have seen its K and V is not part of the estimate.
 * - A row whose score is NaN is kept; its slope is NaN and shows in the gradient.
 */
export interface StraightThroughOptions {
  /** T above 0, in units of the score. Absent: slope 1. */
  readonly temperature?: number;
  /**
   * MACs that a skipping row of each branch saves, [2L], above 0. Given, the budget of every segment is held: its
   * threshold moves with the scores so that the MACs that it saves stay, and the score of every taught row gets
   *
   *     dL/dscore = slope * (gain - price * saving)
   *     price     = sum of slope * gain / sum of slope * saving, over the taught rows of all such branches of the segment
   *
   * with gain = sum_i dL/dy_i * (f_i - s_i) and 0 for a price of 0 / 0. Absent, scores are taught as if the threshold stood still: the
   * more is kept, the lower is the loss, so all of them rise. Needs gates before their branch whose input is detached.
   */
  readonly savings?: Float64Array;
  /**
   * Which unpinned rows teach scores: `all` (default), or those that `skipped`. The slope at the skipped end says what the skip cost; at
   * the kept end it says next to nothing, since a loss near its least is flat there, so that kept rows look cheaper than they are
   * and teaching them undoes the order of scores.
   */
  readonly taught?: 'all' | 'skipped';
}

export interface TrainStepResult {
  /** What was differentiated: the sum of weight times part over the parts asked for. Not finite = diverged. */
  readonly loss: number;
  /** The parts, before their weights. */
  readonly parts: { readonly crossEntropy?: number; readonly teacher?: number; readonly gates?: number };
  /** Rows that a token loss counted. */
  readonly lossRows: number;
  /** Weighted share of teacher rows whose likeliest token is the teacher's likeliest; where a teacher is given. */
  readonly teacherAgreement?: number;
  /** Rows that each branch kept: [2L]. */
  readonly kept: Uint32Array;
  /** Share of all rows of all branches that skipped. */
  readonly skipShare: number;
  /** Layer MACs that inference would spend on these rows under the plan, as `StepResult.macs` but without low-rank additions (they
   *  may end up merged); not what training spends. */
  readonly macs: number;
  readonly denseMacs: number;
  /** [2L, N] where wanted; NaN where there is no gate to ask. */
  readonly scores?: Float32Array;
  /** [2L, N]: 1 = the branch computed the row. */
  readonly keptRows?: Uint8Array;
  /**
   * [2L, N] where wanted: how the loss changes with `kept` to first order, `sum_i dL/dy_i * (f_i - s_i)` of {@link StraightThroughOptions}
   * (below 0 where keeping the row helps), before any slope or price. 0 for pinned rows; NaN in branches whose scores straight-through
   * skipping does not teach.
   */
  readonly gains?: Float32Array;
  /** [wanted rows, vocabulary] */
  readonly logits?: Float32Array;
}

/**
 * A model that can be trained. Calls never block the event loop for long; one at a time (GS_BUSY). Deterministic: the
 * same calls with the same threads on the same machine give the same bits.
 */
export interface Trainer {
  readonly backend: string;
  readonly config: ModelConfig;
  readonly capabilities: Pick<Capabilities, 'rules' | 'scorers' | 'kvModes'>;
  /** What it really runs on. For reports. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
  /** The gates as they are now: live views, not copies. */
  readonly gates: GateSet | undefined;
  /** What is trainable, in the order of `trainerParameters`; views stay valid until `close`. */
  readonly parameters: readonly TrainerParameter[];
  /**
   * Forward and exact backward of one micro-batch; adds to the gradients. What is checked beforehand is refused with the
   * gradients as they were; where it fails on its way (aborted, out of memory) all gradients are zero afterwards.
   *
   * @throws InvalidArgumentError, ShapeMismatchError, UnsupportedError, ContextOverflowError, BusyError, ClosedError,
   *   AbortedError, InsufficientMemoryError
   */
  step(input: TrainStepInput, signal?: AbortSignal): Promise<TrainStepResult>;
  /** The forward of `step`, the same numbers; gradients stay as they are. */
  evaluate(input: TrainStepInput, signal?: AbortSignal): Promise<TrainStepResult>;
  zeroGradients(): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
