import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { attentionCoreMacs, gateMacs, rowCosts } from './costs.js';
import type { GateSpec } from './gate-set.js';
import type { Plan } from './plan.js';
import { branchCount, branchKind, type ModelShape } from './shape.js';

/** Consecutive rows of one sequence under one plan, and what happened to them. */
export interface PlanRows {
  readonly shape: ModelShape;
  readonly gates?: GateSpec;
  readonly plan: Pick<Plan, 'scorer' | 'rules' | 'values' | 'kv'>;
  /** Position of the first row. */
  readonly position: number;
  readonly rows: number;
  /** [2L, rows]: 1 = the branch computed the row. */
  readonly keptRows: Uint8Array;
  /** K/V rows that each layer holds before these rows: [L]. Default: `position` everywhere. */
  readonly kvRowsBefore?: ArrayLike<number>;
  /** MACs of a skipping row's stand-in in one branch; default 0, as where the plan gives none. */
  readonly standInMacs?: number;
}

/** Layer MACs, without embedding and head; exact integers. */
export interface PlanMacs {
  readonly spent: number;
  readonly dense: number;
  /** K/V rows that each layer holds afterwards: [L]. */
  readonly kvRowsAfter: readonly number[];
}

/**
 * MACs of some rows, by formula, from which rows were kept: the oracle for what backends count as they go.
 *
 * A gate is paid once per row where the rule compares gate scores; otherwise, where gates multiply, once per run of the
 * branch on a row. A second run of attention pays the query and output projections and the core again, K and V not.
 *
 * @throws ShapeMismatchError, InvalidArgumentError
 */
export function planMacs(what: PlanRows): PlanMacs {
  const { shape, gates, plan, position, rows, keptRows, standInMacs = 0 } = what;
  check(what);
  const costs = rowCosts(shape);
  const gate = gates === undefined || plan.scorer !== 'gate' ? 0 : gateMacs(gates, shape.hiddenSize);
  let spent = 0;
  let dense = 0;
  const kvRows = Array.from({ length: shape.layers }, (_, layer) => what.kvRowsBefore?.[layer] ?? position);
  // Whether the layer below has a K/V row for each row of this step, which is what `alias` copies.
  let below = new Uint8Array(rows);
  for (let branch = 0; branch < branchCount(shape); branch++) {
    const rule = plan.rules[branch]!;
    const times = rule === 'repeat' ? plan.values[branch]! : 1;
    const scored = rule === 'threshold' || rule === 'fraction' || rule === 'quantile' || rule === 'exit';
    const attention = branchKind(branch) === 'attention';
    const layer = branch >> 1;
    const present = new Uint8Array(rows);
    for (let row = 0; row < rows; row++) {
      const kept = keptRows[branch * rows + row] !== 0;
      // A pinned row under `repeat 0` still runs once.
      const runs = kept ? Math.max(1, times) : 0;
      if (scored) spent += gate;
      else if (gates?.multiplies === true) spent += runs * gate;
      if (!kept) spent += standInMacs;
      if (!attention) {
        spent += runs * costs.mlp;
        dense += costs.mlp;
        continue;
      }
      dense += costs.attentionProjections + attentionCoreMacs(shape, position + row + 1);
      const projects = !kept && (plan.kv === 'project' || (plan.kv === 'alias' && layer === 0));
      present[row] = kept || projects || (plan.kv === 'alias' && below[row] !== 0) ? 1 : 0;
      if (present[row] !== 0) kvRows[layer]! += 1;
      if (projects) spent += costs.kvProjections;
      if (kept) {
        spent += costs.kvProjections + runs * (costs.attentionProjections - costs.kvProjections + attentionCoreMacs(shape, kvRows[layer]!));
      }
    }
    if (attention) below = present;
  }
  return { spent, dense, kvRowsAfter: kvRows };
}

function check(what: PlanRows): void {
  const { shape, plan, position, rows, keptRows, kvRowsBefore } = what;
  const branches = branchCount(shape);
  if (!Number.isInteger(rows) || rows < 0) throw new InvalidArgumentError(`rows must be a non-negative integer, got ${rows}.`);
  if (!Number.isInteger(position) || position < 0)
    throw new InvalidArgumentError(`position must be a non-negative integer, got ${position}.`);
  if (plan.rules.length !== branches) throw new ShapeMismatchError('Rules of the plan', [branches], [plan.rules.length]);
  if (keptRows.length !== branches * rows) throw new ShapeMismatchError('Kept rows', [branches, rows], [keptRows.length]);
  if (kvRowsBefore !== undefined && kvRowsBefore.length !== shape.layers) {
    throw new ShapeMismatchError('K/V rows before', [shape.layers], [kvRowsBefore.length]);
  }
}
