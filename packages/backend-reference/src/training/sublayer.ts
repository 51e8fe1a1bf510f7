import type { Parameter } from './parameter.js';

/** What the output of one row needs on the way back; each kind of branch keeps its own. */
export type RowMemory = readonly Float64Array[];

/** One attention or MLP sublayer over the rows of a step. `normed` and `dNormed` are N rows of [d]. */
export interface Sublayer {
  readonly norm: Parameter;
  /** Before any row runs: what rows leave for others. Called again with `isReplay` it must change nothing. */
  prepare(normed: readonly Float64Array[], skipped: Uint8Array, isReplay: boolean): Promise<void>;
  /** Output [d] of one row, and what its backward needs. */
  run(row: number, normed: Float64Array, isSkipped: boolean): { readonly output: Float64Array; readonly memory: RowMemory };
  /** Adds to `dNormed` of this row, and to what other rows left for it. */
  runBackward(row: number, normed: Float64Array, memory: RowMemory, dOutput: Float64Array, dNormed: Float64Array): void;
  /** After all rows: sends on what `prepare` left behind. */
  prepareBackward(normed: readonly Float64Array[], dNormed: readonly Float64Array[]): Promise<void>;
}
