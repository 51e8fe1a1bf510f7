import { branchCount, densePlan, type GateSpec, type Plan } from '@gateskip/gate';
import type { Policy, PolicyContext, PolicyFactory, SequencePolicy, SequenceStart } from './policy.js';
import { checkObservation, checkRows, checkStart, pinnedRows } from './sequence-checks.js';

/** Rows of one plan that never changes: as many as anyone can have. */
export const ANY_SPAN = 0x7fff_ffff;

/** A policy whose plan is the same at every position, but for the pinned first tokens. */
export function fixedPolicy(factory: PolicyFactory, context: PolicyContext, plan: Plan, pinnedTokens: number): Policy {
  const branches = branchCount(context.shape);
  const open = (start: SequenceStart): SequencePolicy => {
    checkStart(start);
    return fixedSequence(plan, pinnedTokens, branches, 0);
  };
  return { name: factory.name, budget: context.budget, couplesSequences: factory.couplesSequences, open };
}

/** What nothing skipped means: the dense model, or, where gates multiply, the adapter's model at full compute. */
export function fullPlan(branches: number, gates: GateSpec | undefined): Plan {
  const dense = densePlan(branches);
  return gates?.multiplies === true ? { ...dense, scorer: 'gate' } : dense;
}

function fixedSequence(plan: Plan, pinnedTokens: number, branches: number, start: number): SequencePolicy {
  let next = start;
  return {
    wantsScores: false,
    spanAt: () => ANY_SPAN,
    plan(position, rows) {
      checkRows('Plan', position, rows, ANY_SPAN);
      const pinned = pinnedRows(position, rows, pinnedTokens);
      return pinned === undefined ? plan : { ...plan, pinned };
    },
    observe(observation) {
      checkObservation(observation, next, ANY_SPAN, branches);
      next += observation.rows;
    },
    fork: () => fixedSequence(plan, pinnedTokens, branches, next),
  };
}
