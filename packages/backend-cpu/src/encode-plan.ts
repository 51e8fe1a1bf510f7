import type { KvMode, Plan, Rule, Scorer } from '@gateskip/gate';
import type { NativePlan } from './addon.js';

/** Numbers of kinds as kernels/cpu/src/runner.h has them. */
export const RULE_CODES: Readonly<Record<Rule, number>> = { keep: 0, threshold: 1, fraction: 2, quantile: 3, repeat: 4, exit: 255 };
export const SCORER_CODES: Readonly<Record<Scorer, number>> = { none: 0, gate: 1, random: 2, given: 3 };
export const KV_CODES: Readonly<Record<KvMode, number>> = { project: 0, absent: 1, alias: 2 };

/**
 * A plan as numbers. Policies reuse their rules from step to step, so their codes are kept; an array that was changed in
 * place is noticed, because it is compared before it is trusted.
 */
export class PlanEncoder {
  readonly #codes = new WeakMap<readonly Rule[], { readonly rules: readonly Rule[]; readonly codes: Uint8Array }>();

  encode(plan: Plan): NativePlan {
    return {
      scorer: SCORER_CODES[plan.scorer],
      kv: KV_CODES[plan.kv],
      standIns: plan.standIns === false ? 0 : 1,
      loraStrength: plan.loraStrength ?? 1,
      seed: plan.seed ?? 0,
      rules: this.#rules(plan.rules),
      values: plan.values,
      pinned: plan.pinned,
      scores: plan.scorer === 'given' ? plan.scores : undefined,
    };
  }

  #rules(rules: readonly Rule[]): Uint8Array {
    const known = this.#codes.get(rules);
    if (known !== undefined && sameRules(known.rules, rules)) return known.codes;
    const codes = Uint8Array.from(rules, (rule) => RULE_CODES[rule]);
    this.#codes.set(rules, { rules: [...rules], codes });
    return codes;
  }
}

function sameRules(a: readonly Rule[], b: readonly Rule[]): boolean {
  if (a.length !== b.length) return false;
  for (let branch = 0; branch < a.length; branch++) if (a[branch] !== b[branch]) return false;
  return true;
}
