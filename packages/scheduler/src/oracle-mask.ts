import { ShapeMismatchError } from '@gateskip/errors';
import { branchCount, type KvMode, type ModelShape, type Plan, planMacs, type Rule } from '@gateskip/gate';
import { savedMacs } from './saved-macs.js';
import type { Axis } from './target.js';

export interface OracleText {
  readonly shape: ModelShape;
  /** What skipping would lose: [2L, tokens]; NaN is never skipped. */
  readonly scores: Float32Array;
  readonly isProtected: Uint8Array;
  readonly pinnedTokens: number;
  readonly kv: KvMode;
  /** Of a skipping token's stand-in in one branch; default 0. */
  readonly standInMacs?: number;
  readonly axis: Axis;
  /** Share that may be spent. */
  readonly allowed: number;
}

/**
 * The cheapest evaluations of a text by loss per MAC saved, as many as the budget needs and not one more.
 *
 * @returns [2L, tokens], 1 = kept, 0 = skips; undefined where even all of them are too few
 */
export function oracleMask(text: OracleText): Float32Array | undefined {
  const { shape, scores, isProtected, pinnedTokens, kv, standInMacs = 0, axis, allowed } = text;
  const branches = branchCount(shape);
  const tokens = scores.length / branches;
  if (!Number.isInteger(tokens) || tokens < 1) throw new ShapeMismatchError('Scores of the text', [branches, 1], [scores.length]);
  const price = new Float64Array(scores.length);
  const order: number[] = [];
  for (let branch = 0; branch < branches; branch++) {
    for (let token = pinnedTokens; token < tokens && !isProtected[branch]; token++) {
      const at = branch * tokens + token;
      price[at] = scores[at]! / (axis === 'skip' ? 1 : savedMacs(shape, branch, token + 1, kv) - standInMacs);
      if (!Number.isNaN(price[at])) order.push(at);
    }
  }
  order.sort((a, b) => (price[a]! === price[b]! ? a - b : price[a]! - price[b]!));

  const plan: Pick<Plan, 'scorer' | 'rules' | 'values' | 'kv'> = {
    scorer: 'none',
    rules: new Array<Rule>(branches).fill('keep'),
    values: new Float32Array(branches),
    kv,
  };
  const kept = new Uint8Array(scores.length);
  const pinned = Math.min(pinnedTokens, tokens);
  const ofPinned =
    pinned === 0 ? 0 : planMacs({ shape, plan, position: 0, rows: pinned, keptRows: new Uint8Array(branches * pinned).fill(1) }).dense;
  const fits = (count: number): boolean => {
    if (axis === 'skip') return branches * (tokens - pinned) - count <= allowed * branches * (tokens - pinned) * (1 + 1e-12);
    kept.fill(1);
    for (let i = 0; i < count; i++) kept[order[i]!] = 0;
    const { spent, dense } = planMacs({ shape, plan, position: 0, rows: tokens, keptRows: kept, standInMacs });
    return spent - ofPinned <= allowed * (dense - ofPinned);
  };
  if (tokens > pinned && !fits(order.length)) return undefined;
  let low = 0;
  let high = tokens > pinned ? order.length : 0;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) high = middle;
    else low = middle + 1;
  }
  const mask = new Float32Array(scores.length).fill(1);
  for (let i = 0; i < low; i++) mask[order[i]!] = 0;
  return mask;
}
