import type { ParameterGroup } from '@gateskip/backend';
import type { GatePosition, GateSharing, GateVariant, KvMode } from '@gateskip/gate';
import type { LayerMatrix } from '@gateskip/model';
import type { ImportanceMeasure } from '../fit/fit-options.js';

/** Version of the layout of recipe files. */
export const RECIPE_FORMAT = 'gateskip.recipe/1';

/** Where the gates come from. */
export type GateStart =
  /**
   * The closed-form fit: scalar gates on one scale, divided by cost, with stand-ins; `importance` and `standInRank` as `FitOptions` has
   * them. A run with a deadline keeps to importance `norm`: there is better use for the time of the others.
   */
  | { readonly start: 'fit'; readonly tokens: number; readonly importance?: ImportanceMeasure; readonly standInRank?: number }
  /** New gates, as the published code starts: weights N(0, deviation), one bias. */
  | {
      readonly start: 'random';
      readonly variant: GateVariant;
      readonly sharing: GateSharing;
      readonly position: GatePosition;
      readonly multiplies: boolean;
      /** Of `low-rank`. */
      readonly rank?: number;
      /** Inner width of `mlp`. */
      readonly hidden?: number;
      readonly bias: number;
      readonly deviation: number;
    }
  /**
   * Gates that say the same for every token: what `skip.drop` names is dropped, all else stays. Stand-ins are fitted to `tokens` of the
   * dense run, on all of which they will be in use.
   */
  | { readonly start: 'static'; readonly tokens: number; readonly standInRank?: number };

/** Branches that are left out for every token. */
export type StaticDrop =
  | { readonly branches: readonly number[] }
  /** The `count` layers of least block influence, or branches of least KL when removed, as a profile measured them. */
  | { readonly count: number; readonly by: 'influence' | 'kl' };

/** What skips while training. */
export interface SkipRecipe {
  /**
   * - `global-threshold`: one threshold for all branches; budgets are the share of the layer MACs that is saved.
   * - `branch-quantile`: the published rule, one quantile for each branch; budgets are the share of rows that skip.
   * - `static`: the branches of `drop`, for every token.
   */
  readonly rule: 'global-threshold' | 'branch-quantile' | 'static';
  /** Lowest and highest budget drawn, once the ramp is over. */
  readonly low: number;
  readonly high: number;
  /** Highest budget of the first step. */
  readonly start: number;
  /** Share of the run in which the highest budget rises from `start` to `high`. */
  readonly rampShare: number;
  /** `uniform`: drawn anew for every micro-batch between low and the highest; `top`: always the highest. */
  readonly draw: 'uniform' | 'top';
  readonly drop?: StaticDrop;
}

export interface OptimizerRecipe {
  /** Highest learning rate of each group that is trained. */
  readonly rates: Readonly<Partial<Record<ParameterGroup, number>>>;
  readonly schedule: 'constant' | 'linear' | 'cosine';
  /** Share of the run in which the rates rise from 0. */
  readonly warmupShare: number;
  /** Share of the highest rates that is left at the end. */
  readonly floor: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly weightDecay: number;
  /** Longest gradient, all arrays as one vector. */
  readonly clip: number;
}

/** How an adapter is trained. Plain data: printable, and readable from a JSON file by {@link parseRecipe}. */
export interface TrainingRecipe {
  readonly format: typeof RECIPE_FORMAT;
  readonly name: string;
  readonly description: string;
  /** u32: order of the text, budgets, new numbers. */
  readonly seed: number;
  readonly gates: GateStart;
  /**
   * With `backbone` a run makes a new model, to which its adapter belongs; norm weights that are trained too are in that model. Everything
   * else is in the adapter.
   */
  readonly trainable: readonly ParameterGroup[];
  readonly lora?: {
    readonly rank: number;
    readonly alpha: number;
    readonly matrices: readonly LayerMatrix[];
    /**
     * Budget from which on the additions are added in full; below it in proportion, and not at all where nothing may skip: the
     * model without a budget stays what it was. Absent: always in full.
     */
    readonly fullAt?: number;
  };
  /** Published: gates read their input detached. */
  readonly detachGateInput: boolean;
  readonly kv: KvMode;
  /** First tokens of a sequence that never skip. */
  readonly pinnedTokens: number;
  /** Branches that never skip; `ends`: those of the first two layers and the last MLP. */
  readonly protectedBranches: 'ends' | readonly number[];
  readonly skip: SkipRecipe;
  /** How the choice to skip is trained; absent: not at all. */
  readonly straightThrough?: {
    readonly temperature: number;
    /** Scores get the gradient of a loss whose threshold moves with them, so that the budget of every text stays. Absent: it stands still. */
    readonly holdsBudget?: boolean;
    /** Which rows teach scores, see `StraightThroughOptions.taught` of @gateskip/backend; absent: all. */
    readonly taught?: 'all' | 'skipped';
  };
  readonly loss: {
    /** Divergence from the dense model: its `count` likeliest tokens and the mass of all others. */
    readonly teacher?: { readonly weight: number; readonly count: number };
    readonly crossEntropy?: { readonly weight: number };
    readonly gates?: { readonly kind: 'l2' | 'l1' | 'density'; readonly weight: number; readonly density?: number };
  };
  readonly optimizer: OptimizerRecipe;
  readonly batch: {
    /** Rows of one micro-batch. */
    readonly rows: number;
    /** Micro-batches of one update. */
    readonly accumulate: number;
  };
  /** Tokens of the whole run, text seen again counted again. */
  readonly tokens: number;
  readonly heldOut: {
    /** Held-out tokens of one look at the curve, at most. */
    readonly tokens: number;
    /** Budgets of the curve, ascending; 0 is always measured too. */
    readonly budgets: readonly number[];
    /** Training tokens between two looks. */
    readonly everyTokens: number;
    /** Looks without a better curve after which the run ends; 0: never. */
    readonly patience: number;
  };
  /** Time between two checkpoints. */
  readonly checkpointSeconds: number;
  /** A loss above this, or none at all, ends the run as diverged. */
  readonly lossAbove: number;
}
