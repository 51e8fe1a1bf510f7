import { branchCount, densePlan, type Plan, type Rule } from '@gateskip/gate';
import { ANY_SPAN, fixedPolicy } from './fixed-policy.js';
import type { Ladder } from './ladder.js';
import { LadderPace } from './ladder-pace.js';
import { type CommonOptions, readOptions } from './options.js';
import type { Policy, PolicyContext, PolicyFactory, SequencePolicy } from './policy.js';
import { checkReach } from './reach.js';
import { checkContext } from './requirements.js';
import { checkObservation, checkRows, checkStart, pinnedRows } from './sequence-checks.js';
import { resolveTarget } from './target.js';

/**
 * A static policy: which branches a token drops follows from the budget and from its position, never from the text. Where the
 * budget lies between two sets of the ladder, tokens take the one or the other in a regular pattern, so that the budget is
 * met to one unit of one row and never exceeded. Gates are off.
 *
 * @param ladderOf the ladder of the branches that may skip
 */
export function ladderPolicy(factory: PolicyFactory, context: PolicyContext, ladderOf: (options: CommonOptions) => Ladder): Policy {
  checkContext(factory, context);
  const options = readOptions(context);
  const { shape } = context;
  const branches = branchCount(shape);
  const target = resolveTarget(context, options.contextTokens);
  if (target.value <= 0) return fixedPolicy(factory, context, densePlan(branches), 0);
  const ladder = ladderOf(options);
  const isFree = ladder.dropped(ladder.top);
  checkReach(factory.name, shape, options, isFree, target);
  const { kv, pinnedTokens, standIns, standInMacs } = options;
  const pace = new LadderPace({ shape, ladder, axis: target.axis, allowed: 1 - target.value, kv, pinnedTokens, standInMacs });
  const rules = Array.from(isFree, (flag): Rule => (flag ? 'threshold' : 'keep'));
  const values = new Float32Array(branches).fill(0.5);
  const plan = (position: number, rows: number): Plan => {
    const scores = new Float32Array(branches * rows).fill(1);
    for (let row = 0; row < rows; row++) {
      const level = pace.levelAt(position + row);
      const dropped = ladder.dropped(level);
      for (let branch = 0; branch < branches; branch++) if (dropped[branch]) scores[branch * rows + row] = 0;
    }
    const pinned = pinnedRows(position, rows, pinnedTokens);
    return { scorer: 'given', rules, values, kv, scores, ...standIns, ...(pinned && { pinned }) };
  };
  const open = (next: number): SequencePolicy => ({
    wantsScores: false,
    spanAt: () => ANY_SPAN,
    plan(position, rows) {
      checkRows('Plan', position, rows, ANY_SPAN);
      return plan(position, rows);
    },
    observe(observation) {
      checkObservation(observation, next, ANY_SPAN, branches);
      next += observation.rows;
    },
    fork: () => open(next),
  });
  return {
    name: factory.name,
    budget: context.budget,
    couplesSequences: false,
    open(start) {
      checkStart(start);
      return open(0);
    },
  };
}

/** Layers of which both branches may skip. */
export function freeLayers(isProtected: Uint8Array): number[] {
  return Array.from({ length: isProtected.length / 2 }, (_, layer) => layer).filter(
    (layer) => !isProtected[2 * layer] && !isProtected[2 * layer + 1],
  );
}
