import type { Backend } from '@gateskip/backend';
import type { AdapterProvenance, GateAdapter, Model, WriteModelOptions, WrittenModelType } from '@gateskip/model';
import type { Teacher, TrainingText } from '../data/training-text.js';
import type { ModelProfile } from '../profile/model-profile.js';
import type { FitPhase } from '../progress.js';
import type { TrainingRecipe } from '../recipes/recipe.js';
import type { HeldOutCurve } from './held-out-curve.js';

/** Phases of training, in their order; those of the fit come first where a recipe starts with it. */
export type TrainPhase = FitPhase | 'load' | 'look' | 'train' | 'write' | 'calibrate';

export interface TrainProgress {
  readonly phase: TrainPhase;
  readonly done: number;
  readonly total: number;
  /** While training. */
  readonly training?: {
    readonly step: number;
    readonly tokens: number;
    /** Of the last update. */
    readonly loss: number;
    readonly tokensPerSecond: number;
    readonly leftMs: number;
    /** The last look at the held-out curve. */
    readonly curve: HeldOutCurve;
  };
}

export interface TrainRequest {
  readonly model: Model;
  /** Must bring a trainer (`loadTrainer`). */
  readonly backend: Backend;
  readonly recipe: TrainingRecipe;
  readonly text: TrainingText;
  /** The dense model's predictions; not closed here. */
  readonly teacher: Teacher;
  /** Name of the adapter. */
  readonly name: string;
  readonly provenance: AdapterProvenance;
  /** Gates, stand-ins, low-rank additions and norms to start from, in place of what the recipe would begin with. */
  readonly start?: GateAdapter;
  /**
   * Where a recipe that trains the backbone writes its model: a GGUF file where `model` is one, else a safetensors folder. Needed by such
   * recipes, and refused by all others.
   */
  readonly outModel?: WriteModelOptions & { readonly path: string };
  /** For recipes that drop branches by it. */
  readonly profile?: ModelProfile;
  /** Where the run keeps its state; absent: nowhere, and nothing can be resumed. */
  readonly folder?: string;
  /** Go on with the run of the folder; one that is not there yet begins. Default false: a folder with a run is refused. */
  readonly resume?: boolean;
  /** Worker threads of the backend. */
  readonly threads?: number;
  /** Options of one backend only, for its trainer. */
  readonly extra?: Readonly<Record<string, string | number | boolean>>;
  /** Ends the run early: `performance.now()` by which everything should be done, calibration included. */
  readonly deadlineMs?: number;
  readonly onProgress?: (progress: TrainProgress) => void;
  readonly signal?: AbortSignal;
}

export interface TrainReport {
  readonly steps: number;
  readonly tokens: number;
  readonly epochs: number;
  /** Numbers that were trained. */
  readonly parameters: number;
  /** Tokens of the fit that it started from; absent where the start was something else, or the run was resumed. */
  readonly fitTokens?: number;
  /** Before the first update. */
  readonly start: HeldOutCurve;
  readonly trained: HeldOutCurve;
  /** All looks, the first and the last included. */
  readonly looks: readonly HeldOutCurve[];
  readonly heldOutTokens: number;
  /** Why it ended. */
  readonly ended: 'tokens' | 'time' | 'patience';
  readonly tokensPerSecond: number;
  readonly timingsMs: { readonly start: number; readonly train: number; readonly calibrate: number; readonly total: number };
  /** What the trainer ran on. */
  readonly trainer: Readonly<Record<string, string | number | boolean>>;
}

/** A model that a run made. */
export interface TrainedModel {
  readonly path: string;
  readonly type: WrittenModelType;
  readonly fingerprint: string;
  readonly sizeBytes: number;
}

export interface TrainResult {
  /** Belongs to the model of the request, or to the one that the run made. */
  readonly adapter: GateAdapter;
  /** Where the backbone was trained. */
  readonly model?: TrainedModel;
  readonly report: TrainReport;
}
