import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { attentionCoreMacs, gateMacs, rowCosts } from './costs.js';
import type { GateSpec } from './gate-set.js';
import type { KvMode } from './plan.js';
import { branchCount, branchKind, type ModelShape } from './shape.js';

/** What a share of skipping is counted for. */
export interface NetOptions {
  /** Share of rows that skip, per branch: [2L], 0..1. */
  readonly skipShares: ArrayLike<number>;
  /** Tokens a row sees, its own included, averaged over the rows that are counted. */
  readonly context: number;
  readonly kv: KvMode;
  /** Branches whose rule compares scores (1), hence pay a gate even where it does not multiply: [2L]. Default: all. */
  readonly scored?: ArrayLike<number>;
  /** MACs of a skipping row's stand-in in one branch; default 0. */
  readonly standInMacs?: number;
}

/** MACs of one row, dense, in one branch at a context. */
export function branchMacs(shape: ModelShape, branch: number, context: number): number {
  const costs = rowCosts(shape);
  return branchKind(branch) === 'attention' ? costs.attentionProjections + attentionCoreMacs(shape, context) : costs.mlp;
}

/** Layer MACs of one dense row at a context, without the head. */
export function denseRowMacs(shape: ModelShape, context: number): number {
  return shape.layers * (branchMacs(shape, 0, context) + branchMacs(shape, 1, context));
}

/**
 * Expected share of the dense layer MACs that is spent when each branch skips a share of its rows at random: branches,
 * K and V of skipping rows and their stand-ins, the core over the rows that are left, and the gates. With `absent`, a layer that skips a
 * share p keeps `1 + (context - 1) (1 - p)` visible rows on average. Undefined `gates` cost nothing.
 */
export function netFromSkips(shape: ModelShape, gates: GateSpec | undefined, options: NetOptions): number {
  const { skipShares, context, kv, scored, standInMacs = 0 } = options;
  const branches = branchCount(shape);
  if (skipShares.length !== branches) throw new ShapeMismatchError('Skip shares', [branches], [skipShares.length]);
  if (scored !== undefined && scored.length !== branches) throw new ShapeMismatchError('Scored branches', [branches], [scored.length]);
  if (!(context >= 1 && Number.isFinite(context))) throw new InvalidArgumentError(`context must be at least 1, got ${context}.`);
  const costs = rowCosts(shape);
  const gate = gates === undefined ? 0 : gateMacs(gates, shape.hiddenSize);
  let spent = 0;
  for (let branch = 0; branch < branches; branch++) {
    const skip = skipShares[branch]!;
    if (!(skip >= 0 && skip <= 1)) throw new InvalidArgumentError(`Skip share of branch ${branch} must be in 0..1, got ${skip}.`);
    if (scored === undefined || scored[branch]) spent += gate;
    else if (gates?.multiplies === true) spent += gate * (1 - skip);
    spent += skip * standInMacs;
    if (branchKind(branch) === 'mlp') {
      spent += (1 - skip) * costs.mlp;
      continue;
    }
    const visible = kv === 'absent' ? 1 + (context - 1) * (1 - skip) : context;
    spent += (1 - skip) * (costs.attentionProjections + attentionCoreMacs(shape, visible));
    if (kv === 'project' || (kv === 'alias' && branch === 0)) spent += skip * costs.kvProjections;
  }
  return spent / denseRowMacs(shape, context);
}

/**
 * Share of the layer MACs that gives a speed-up in MACs, the head (never skipped) counted on both sides:
 * `speedup = (dense + head) / (net dense + head)`. At or below 0 where no skipping can reach it.
 */
export function netFromSpeedup(shape: ModelShape, speedup: number, context: number): number {
  const dense = denseRowMacs(shape, context);
  const { head } = rowCosts(shape);
  return ((dense + head) / speedup - head) / dense;
}

/** The inverse of {@link netFromSpeedup}. */
export function speedupFromNet(shape: ModelShape, net: number, context: number): number {
  const dense = denseRowMacs(shape, context);
  const { head } = rowCosts(shape);
  return (dense + head) / (net * dense + head);
}
