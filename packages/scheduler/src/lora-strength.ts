import { branchCount, type Calibration, densePlan, type ModelShape, type Plan } from '@gateskip/gate';
import { locate } from './budget-curve.js';
import type { Budget, Policy, SequencePolicy } from './policy.js';
import { resolveTarget } from './target.js';

/**
 * Share of an adapter's low-rank additions that goes with a budget, by the points of its calibrated curve: an adapter that was
 * trained to add less where less is skipped stays closer to the model as published.
 *
 * @param budget absent: nothing may skip
 * @param contextTokens the context at which a speed-up is turned into MACs; default 512, as in the policies' options
 * @returns undefined where the calibration says nothing of it: additions are then added in full
 */
export function loraStrengthFor(
  budget: Budget | undefined,
  shape: ModelShape,
  calibration: Calibration | undefined,
  contextTokens = 512,
): number | undefined {
  const first = calibration?.curve[0]?.loraStrength;
  if (calibration === undefined || first === undefined) return undefined;
  if (budget === undefined || calibration.curve.length < 2) return first;
  const { axis, value } = resolveTarget({ budget, shape }, contextTokens);
  if (value <= 0) return first;
  let highest = 0;
  const values = calibration.curve.map(({ skip, net }) => {
    highest = Math.max(highest, axis === 'skip' ? skip : 1 - net);
    return highest;
  });
  const { index, part } = locate(values, value);
  const strengthAt = (knot: number): number => calibration.curve[knot]?.loraStrength ?? 1;
  return strengthAt(index) + (strengthAt(index + 1) - strengthAt(index)) * part;
}

/** Nothing skips, gates are off, and of the low-rank additions what the calibration says for that: what runs where nobody asks for a budget. */
export function densePlanOf(shape: ModelShape, calibration: Calibration | undefined): Plan {
  const loraStrength = loraStrengthFor(undefined, shape, calibration);
  return { ...densePlan(branchCount(shape)), ...(loraStrength !== undefined && { loraStrength }) };
}

/** Shares of the low-rank additions in the plans of a prompt and of its answer. */
export interface LoraStrengths {
  readonly prompt: number;
  readonly answer: number;
}

/** The same policy with its share of low-rank additions in every plan: it follows from the budgets and stands still. */
export function withLoraStrength(policy: Policy, strengths: LoraStrengths): Policy {
  return { ...policy, open: (start) => strengthened(policy.open(start), strengths, start.promptTokens) };
}

function strengthened(sequence: SequencePolicy, strengths: LoraStrengths, promptTokens: number): SequencePolicy {
  let last: Plan | undefined;
  let lastStrengthened: Plan | undefined;
  return {
    wantsScores: sequence.wantsScores,
    spanAt: (position) => sequence.spanAt(position),
    plan(position, rows) {
      const plan = sequence.plan(position, rows);
      const loraStrength = position < promptTokens ? strengths.prompt : strengths.answer;
      // Plans are the same object until they change, for those who keep what they made of one.
      if (plan !== last || lastStrengthened?.loraStrength !== loraStrength) {
        last = plan;
        lastStrengthened = { ...plan, loraStrength };
      }
      return lastStrengthened;
    },
    observe: (observation) => sequence.observe(observation),
    fork: () => strengthened(sequence.fork(), strengths, promptTokens),
  };
}
