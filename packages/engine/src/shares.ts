import type { StepResult } from '@gateskip/backend';
import { attentionCoreMacs, type ModelShape, rowCosts } from '@gateskip/gate';
import type { Batch, BatchEntry } from './batch-builder.js';

/** What one sequence's rows of a step kept and cost. */
export interface Share {
  /** Rows kept per branch: [2L] */
  readonly kept: ArrayLike<number>;
  readonly macs: number;
  readonly denseMacs: number;
}

/**
 * One sequence's share of a step. Where its plan is its own the backend has counted it. Where sequences share a plan
 * (the published batch ranking) kept rows are counted from the flags, dense MACs follow from the positions, and the
 * plan's MACs are divided in proportion to them.
 */
export function shareOf(batch: Batch, entry: BatchEntry, result: StepResult, shape: ModelShape, position: number): Share {
  const branches = 2 * shape.layers;
  const macs = result.macs[entry.plan] ?? 0;
  const planDenseMacs = result.denseMacs[entry.plan] ?? 0;
  if (!batch.shared[entry.plan]) {
    const first = entry.plan * branches;
    const kept = result.kept.length === branches ? result.kept : result.kept.subarray(first, first + branches);
    return { kept, macs, denseMacs: planDenseMacs };
  }
  const kept = new Uint32Array(branches);
  for (let branch = 0; branch < branches; branch++) {
    const from = branch * batch.rows + entry.start;
    for (let row = from; row < from + entry.rows; row++) kept[branch] = (kept[branch] ?? 0) + (result.keptRows?.[row] ?? 0);
  }
  const denseMacs = denseMacsOf(shape, position, entry.rows);
  return { kept, macs: (macs * denseMacs) / planDenseMacs, denseMacs };
}

function denseMacsOf(shape: ModelShape, position: number, rows: number): number {
  const costs = rowCosts(shape);
  const visible = rows * position + (rows * (rows + 1)) / 2;
  return shape.layers * (rows * (costs.attentionProjections + costs.mlp) + attentionCoreMacs(shape, visible));
}

/** [2L, rows] of one sequence out of [2L, R]. */
export function scoresOf(batch: Batch, entry: BatchEntry, scores: Float32Array | undefined, branches: number): Float32Array | undefined {
  if (!scores || entry.rows === batch.rows) return scores;
  const own = new Float32Array(branches * entry.rows);
  for (let branch = 0; branch < branches; branch++) {
    const from = branch * batch.rows + entry.start;
    own.set(scores.subarray(from, from + entry.rows), branch * entry.rows);
  }
  return own;
}
