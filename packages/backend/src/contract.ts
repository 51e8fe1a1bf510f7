import type { KvMode, Plan, Rule, Scorer } from '@gateskip/gate';
import type { GateAdapter, Model, ModelConfig } from '@gateskip/model';
import type { Trainer, TrainerOptions } from './trainer.js';

/** Whether a backend can run on this machine, and in what form. */
export interface Availability {
  readonly available: boolean;
  /** Why not, one line each, with the remedy. Empty when available. */
  readonly reasons: readonly string[];
  /** What it would run on: instruction set, threads, device name. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** What `explain` can be asked about before loading. */
export interface BackendRequest {
  readonly config?: ModelConfig;
  readonly adapter?: GateAdapter;
  readonly scorer?: Scorer;
  readonly rules?: readonly Rule[];
  readonly kv?: KvMode;
  /** Whether it can train so; absent: training is not asked for. */
  readonly trainer?: Pick<TrainerOptions, 'gates' | 'lora' | 'trainable' | 'detachGateInput' | 'recompute'>;
}

export interface LoadOptions {
  readonly adapter?: GateAdapter;
  /** Worker threads; default: the backend's own choice. */
  readonly threads?: number;
  /** Most K/V rows of one layer over all sequences, in tokens; default 8 contexts. The pool grows up to it. */
  readonly maxTokens?: number;
  /** Called with 0..1 while weights are read or repacked. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
  /** Options of one backend only (e.g. `isa` of backend-cpu); unknown keys are refused. */
  readonly extra?: Readonly<Record<string, string | number | boolean>>;
}

/** One way to run a model. Stateless; importing it does nothing. */
export interface Backend {
  readonly name: string;
  probe(): Promise<Availability>;
  /** Why this backend cannot do what is asked; empty = it can. */
  explain(request: BackendRequest): Promise<readonly string[]>;
  /** @throws BackendUnavailableError, UnsupportedError, InsufficientMemoryError, ShapeMismatchError, AbortedError */
  load(model: Model, options?: LoadOptions): Promise<Runner>;
  /** Only where the backend can train. @throws as `load` */
  loadTrainer?(model: Model, options: TrainerOptions): Promise<Trainer>;
}

/** A kind of change that an adapter makes in the model itself; see `BackboneChanges`. */
export type BackboneChange = 'lora' | 'norms';

export interface Capabilities {
  readonly rules: readonly Rule[];
  readonly scorers: readonly Scorer[];
  readonly kvModes: readonly KvMode[];
  /** Backbone changes of adapters that it applies; an adapter with others is refused at load. Absent: none. */
  readonly backboneChanges?: readonly BackboneChange[];
  /** Whether its backend has `loadTrainer`. */
  readonly canTrain: boolean;
  /** A row's results are bit-identical whatever else is in the step and however the prompt was cut. */
  readonly batchInvariant: boolean;
  /** Steps run on other threads, so the event loop turns while one runs. Absent: callers must let it turn themselves. */
  readonly offThread?: boolean;
}

export type SequenceId = number;

export interface KvUsage {
  /** Rows in use: one row = K and V of one token at one layer; shared rows count once. */
  readonly used: number;
  /** What dense sequences of the same lengths would use: tokens x layers. */
  readonly dense: number;
  readonly bytes: number;
}

/** A model loaded on a device, with its sequences. Calls that change sequences are refused (GS_BUSY) during a step. */
export interface Runner {
  readonly backend: string;
  readonly config: ModelConfig;
  readonly adapter: GateAdapter | undefined;
  readonly capabilities: Capabilities;
  /** What it really runs on: instruction set, threads, formats. For reports. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
  openSequence(): SequenceId;
  /** A new sequence with the first `length` tokens of another (default all); rows are shared, not copied. */
  fork(sequence: SequenceId, length?: number): SequenceId;
  /** Forgets tokens from position `length` on. */
  truncate(sequence: SequenceId, length: number): void;
  closeSequence(sequence: SequenceId): void;
  sequenceLength(sequence: SequenceId): number;
  /** Of one sequence, or of the whole pool. */
  kvUsage(sequence?: SequenceId): KvUsage;
  /**
   * Runs all rows through the model under the plans and appends them to their sequences.
   * All or nothing: after a rejection every sequence is as it was before.
   * One step at a time (GS_BUSY).
   *
   * @throws InvalidArgumentError (bad rows, tokens outside the vocabulary, unknown sequence), ShapeMismatchError,
   *   UnsupportedError (rule, scorer or kv mode that capabilities lack), InsufficientMemoryError, AbortedError, ClosedError
   */
  step(input: StepInput, plans: readonly Plan[], signal?: AbortSignal): Promise<StepResult>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Consecutive rows of one sequence. */
export interface Segment {
  readonly sequence: SequenceId;
  /** First row; segments cover the rows in order without gaps. A sequence appears in one segment at most. */
  readonly start: number;
  /** Number of rows, at least 1. */
  readonly length: number;
  /** Index into the step's plans. The rows of one plan are ranked together and with no others. */
  readonly plan: number;
}

export interface StepInput {
  /** Token ids, one per row: [R]. Positions follow from each sequence's length. */
  readonly tokens: Int32Array;
  readonly segments: readonly Segment[];
  /** Rows whose logits are wanted, ascending. May be empty. */
  readonly outputs: Int32Array;
  /** Return only the `topLogits` highest logits of each output row (1..1024); absent: all of them. */
  readonly topLogits?: number;
  /** Single logits wanted besides, e.g. of the tokens that a text goes on with. */
  readonly picks?: LogitPicks;
  readonly want?: {
    /** Scores of every row for every branch, also where no rule needs them. */
    readonly scores?: boolean;
    /** What went into and came out of every branch; large, for fitting and analysis. */
    readonly hidden?: boolean;
    /** Which rows were kept, per branch. */
    readonly keptRows?: boolean;
  };
}

/** Single logits, as many as wanted of any output row: with `topLogits` 1 what scoring a text needs, where all logits would be a vocabulary a row. */
export interface LogitPicks {
  /** Where in {@link StepInput.outputs} the row of each stands, never descending: [picks]. */
  readonly outputs: Int32Array;
  /** Token ids: [picks]. */
  readonly tokens: Int32Array;
}

/** The highest logits per output row, in descending order (ties: lower token id first). */
export interface TopLogits {
  readonly count: number;
  /** [outputs, count] */
  readonly tokens: Int32Array;
  /** [outputs, count] */
  readonly logits: Float32Array;
  /** log of the sum of exp over the whole vocabulary: log-probability = logit - logSumExp. [outputs] */
  readonly logSumExp: Float32Array;
}

/** What each branch saw and did, per row. */
export interface BranchTrace {
  /** Normed input of each branch: [2L, R, d]. */
  readonly inputs: Float32Array;
  /** What was added to the residual stream (branch output, or the stand-in): [2L, R, d]. */
  readonly outputs: Float32Array;
  /** Squared L2 norm of the residual stream before each branch: [2L, R]. */
  readonly streamSquaredNorms: Float32Array;
}

export interface StepResult {
  /** [outputs, vocabulary]; absent when `topLogits` was asked. */
  readonly logits?: Float32Array;
  readonly top?: TopLogits;
  /** The logits that `picks` asked for, in its order: [picks]; absent without it. */
  readonly picked?: Float32Array;
  /** Rows that each branch computed: [plans, 2L]. */
  readonly kept: Uint32Array;
  /** Layer MACs really spent per plan: branches, K/V of skipped rows, attention core over the rows really visible, gates
   *  that rules or products needed, low-rank additions that run as such. Without embedding and head. Exact integers. */
  readonly macs: Float64Array;
  /** The same for the dense model on the same rows, as its file has it: without low-rank additions, which an adapter thus pays. */
  readonly denseMacs: Float64Array;
  /** [2L, R] where wanted; NaN where the adapter has no gate to ask. */
  readonly scores?: Float32Array;
  /** [2L, R]: 1 = the branch computed the row. */
  readonly keptRows?: Uint8Array;
  readonly hidden?: BranchTrace;
}
