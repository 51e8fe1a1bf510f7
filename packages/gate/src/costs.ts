import type { GateSet, GateSpec } from './gate-set.js';
import type { ModelShape } from './shape.js';

/** MACs of one row in a model's parts; the attention core adds {@link attentionCoreMacs} by context. */
export interface RowCosts {
  /** Query, key, value and output projections: `d (q + 2 kv) + q d`. */
  readonly attentionProjections: number;
  /** Key and value projections alone, what a skipping row still pays with kv mode `project`: `2 d kv`. */
  readonly kvProjections: number;
  /** Gate, up and down projections: `3 d ff`. */
  readonly mlp: number;
  /** Output head, never skipped: `d vocabulary`. */
  readonly head: number;
}

export function rowCosts(shape: ModelShape): RowCosts {
  const d = shape.hiddenSize;
  const q = shape.heads * shape.headSize;
  const kv = shape.kvHeads * shape.headSize;
  return {
    attentionProjections: d * (q + 2 * kv) + q * d,
    kvProjections: 2 * d * kv,
    mlp: 3 * d * shape.intermediateSize,
    head: d * shape.vocabularySize,
  };
}

/** Scores and weighted sum of one row over `visible` K/V rows (its own included): `2 q visible`. */
export function attentionCoreMacs(shape: ModelShape, visible: number): number {
  return 2 * shape.heads * shape.headSize * visible;
}

/** MACs of one gate for one row: what a gate costs for every token, kept or not. */
export function gateMacs(spec: GateSpec, hiddenSize: number): number {
  const d = hiddenSize;
  switch (spec.variant) {
    case 'vector':
      return d * d;
    case 'scalar':
      return d;
    case 'low-rank':
      return 2 * d * (spec.rank ?? 0);
    case 'mlp':
      return 2 * d * (spec.hidden ?? 0);
    case 'hybrid':
      return d * d + d;
  }
}

/** Rank of the maps that stand-ins have; 0 where they have none. */
export function standInRank({ standInMaps, hiddenSize }: Pick<GateSet, 'standInMaps' | 'hiddenSize'>): number {
  const first = standInMaps?.[0];
  return first === undefined ? 0 : first.down.length / hiddenSize;
}

/** MACs of one skipping row's stand-in in one branch: `2 d rank`; a vector alone costs nothing. */
export function standInMacs(gates: Pick<GateSet, 'standInMaps' | 'hiddenSize'> | undefined): number {
  return gates === undefined ? 0 : 2 * gates.hiddenSize * standInRank(gates);
}
