import type { Plan, Rule } from '@gateskip/gate';
import type { Runner } from '../contract.js';
import { ruleNeedsScores } from '../validate-plan.js';
import { type PlayedStep, play, type Scenario } from './scenario.js';

/**
 * Chooses the values of rules that compare gate scores such that the decision is as far from every score as it can be:
 * a backend that rounds differently then still keeps the same rows, and one that decides differently is found out.
 * Branches are set one after the other, because skipping changes the scores of those above.
 *
 * @returns the scenario with values, and the smallest distance between a decision and a score
 */
export async function tunePlans(oracle: Runner, scenario: Scenario): Promise<{ scenario: Scenario; margin: number }> {
  const plans: Plan[] = scenario.plans.map((plan) => ({ ...plan, values: Float32Array.from(plan.values) }));
  let smallest = Number.POSITIVE_INFINITY;
  const branches = plans[0]!.rules.length;
  for (let branch = 0; branch < branches; branch++) {
    const tuned = plans.filter((plan) => plan.scorer === 'gate' && ruleNeedsScores(plan.rules[branch]!));
    if (tuned.length === 0) continue;
    const played = await play(oracle, { ...scenario, plans, want: { scores: true } });
    for (const plan of tuned) {
      const groups = scoresOfPlan(played, plans.indexOf(plan), branch);
      const { value, margin } = widestDecision(plan.rules[branch]!, groups);
      plan.values[branch] = value;
      smallest = Math.min(smallest, margin);
    }
  }
  return { scenario: { ...scenario, plans }, margin: smallest };
}

/** Sorted scores of a plan's unpinned rows, one list per step. */
function scoresOfPlan(played: readonly PlayedStep[], planIndex: number, branch: number): number[][] {
  const groups: number[][] = [];
  for (const { input, plans, result } of played) {
    const scores: number[] = [];
    for (const { start, length, plan } of input.segments) {
      for (let row = start; plan === planIndex && row < start + length; row++) {
        if (!plans[planIndex]!.pinned?.[row]) scores.push(result.scores![branch * input.tokens.length + row]!);
      }
    }
    if (scores.length > 0) groups.push(scores.sort((a, b) => a - b));
  }
  return groups;
}

function widestDecision(rule: Rule, groups: readonly number[][]): { value: number; margin: number } {
  let best = { value: 0, margin: -1 };
  for (const value of candidates(rule, groups)) {
    const margin = Math.min(...groups.map((scores) => decisionMargin(rule, value, scores)));
    if (margin > best.margin) best = { value, margin };
  }
  return best;
}

/** Values that skip between a fifth and three quarters of the rows. */
function candidates(rule: Rule, groups: readonly number[][]): number[] {
  const all = groups.flat().sort((a, b) => a - b);
  const low = Math.floor(0.2 * all.length);
  const high = Math.max(low + 1, Math.floor(0.75 * all.length));
  const values: number[] = [];
  for (let i = low; i < high && i + 1 < all.length; i++) {
    // Between the scores themselves, or shares at 200ths: enough to stand between two ranks of every group.
    if (rule === 'threshold') values.push(Math.fround((all[i]! + all[i + 1]!) / 2));
  }
  if (rule !== 'threshold') for (let share = 0.2; share < 0.75; share += 0.005) values.push(Math.fround(share));
  return values.length > 0 ? values : [Math.fround((all[0] ?? 0.5) / 2)];
}

/** How far every score may move without any row changing sides: half the gap across which the decision lies. */
function decisionMargin(rule: Rule, value: number, scores: readonly number[]): number {
  if (rule === 'threshold') return Math.min(...scores.map((score) => Math.abs(score - value)));
  if (rule === 'fraction') return halfGap(scores, Math.floor(value * scores.length));
  if (scores.length < 2) return Number.POSITIVE_INFINITY; // one score is no ranking: none skips
  const at = value * (scores.length - 1);
  const share = at - Math.floor(at);
  // The quantile moves with the two scores that it lies between. Close to one of them, rounding of the share decides.
  if (share !== 0 && (share < 0.02 || share > 0.98)) return 0;
  return halfGap(scores, Math.floor(at) + 1);
}

/** Half the gap above the `skipped` lowest of the sorted scores. */
function halfGap(scores: readonly number[], skipped: number): number {
  return skipped === 0 || skipped === scores.length ? Number.POSITIVE_INFINITY : (scores[skipped]! - scores[skipped - 1]!) / 2;
}
