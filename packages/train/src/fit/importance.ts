import type { BranchRow } from './branch-scores.js';
import type { Traces } from './collect-traces.js';
import type { FitRequest } from './fit-adapter.js';
import type { FittedBranches } from './fit-gates.js';
import type { ResolvedFitOptions } from './fit-options.js';
import type { Windows } from './windows.js';

/** What importance is fitted from. */
export interface ImportanceInput {
  readonly request: Pick<FitRequest, 'model' | 'backend' | 'load' | 'name' | 'provenance' | 'signal'>;
  readonly options: ResolvedFitOptions;
  readonly windows: Windows;
  readonly traces: Traces;
  /** Branches that may skip, ascending. */
  readonly free: readonly number[];
  /** One over what a skip of each branch saves, relative to the MLP: [2L]. */
  readonly perMac: readonly number[];
}

/** How important every row is to every branch. */
export interface Importance {
  /** Predict importance per MAC, to the power of the losses: [2L]. */
  readonly scaled: readonly BranchRow[];
  readonly fitted: FittedBranches;
  /** KL to the dense model where half of the rows skip one branch; of the branches that it was measured of. */
  readonly damage: ReadonlyMap<number, number>;
  /** What a unit of loss counts in each branch: [2L]. */
  readonly weights: readonly number[];
  readonly timingsMs: { readonly gates: number; readonly weights: number };
}
