import { branchCount, type KvMode, type ModelShape, planMacs, type Rule } from '@gateskip/gate';
import type { Axis } from './target.js';

/** Sets of branches that cost less and less: what is dropped at each level, more at each. Level 0 drops nothing. */
export interface Ladder {
  /** Highest level. */
  readonly top: number;
  /** [2L], 1 = dropped. Costs never grow with the level. */
  dropped(level: number): Uint8Array;
}

/** The ladder that drops one unit after the other. */
export function orderedLadder(branches: number, units: readonly (readonly number[])[]): Ladder {
  return {
    top: units.length,
    dropped(level) {
      const dropped = new Uint8Array(branches);
      for (const branch of units.slice(0, level).flat()) dropped[branch] = 1;
      return dropped;
    },
  };
}

/** One row that drops a set of branches: what it spends and what it would have spent, on an axis. */
export interface RowCost {
  readonly spent: number;
  readonly dense: number;
  /** K/V rows per layer afterwards. */
  readonly kvRows: readonly number[];
}

/** @param kvRows K/V rows that each layer holds before the row: [L] */
export function rowCost(
  shape: ModelShape,
  dropped: Uint8Array,
  { axis, kv, standInMacs, position, kvRows }: { axis: Axis; kv: KvMode; standInMacs: number; position: number; kvRows: readonly number[] },
): RowCost {
  const branches = branchCount(shape);
  const plan = { scorer: 'none', rules: new Array<Rule>(branches).fill('keep'), values: new Float32Array(branches), kv } as const;
  const keptRows = dropped.map((flag) => 1 - flag);
  const { spent, dense, kvRowsAfter } = planMacs({ shape, plan, position, rows: 1, keptRows, kvRowsBefore: kvRows, standInMacs });
  if (axis === 'saved') return { spent, dense, kvRows: kvRowsAfter };
  return { spent: keptRows.reduce((sum, flag) => sum + flag, 0), dense: branches, kvRows: kvRowsAfter };
}
