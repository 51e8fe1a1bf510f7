import { curves, OURS } from './policies.mjs';
import { markdownTable } from './tables.mjs';

/**
 * What the prototype (PyTorch, bf16, 6,144 tokens of mixed text) had found, beside what was measured here. A row speaks once
 * everything that it needs was measured. The texts differ, so what is judged is who stands before whom, not the figures.
 *
 * @typedef {object} Finding
 * @property {string} claim
 * @property {string} prototype
 * @property {(read: Reader) => { measured: string, holds: boolean | 'in part' } | undefined} judge
 */

/**
 * @typedef {object} Reader
 * @property {(policy: string, target: number) => number} kl throws `Missing` where it was not measured
 * @property {any} summary
 */

class Missing extends Error {}

const kl = (/** @type {number} */ value) => value.toFixed(value < 0.1 ? 3 : 2);
const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)} %`;
const yes = (/** @type {readonly boolean[]} */ parts) => (parts.every(Boolean) ? true : parts.some(Boolean) ? 'in part' : false);

/** @type {readonly Finding[]} */
export const findings = [
  {
    claim: '`project` is the best way with K/V of tokens that skip attention, `absent` close, `alias` ruins an untrained model',
    prototype: 'KL near 15 % 0.30 / 0.33 / -, near 25 % 0.55 / 0.58 / 4.1',
    judge: ({ kl: of }) => {
      const sets = [0.15, 0.25].map((at) => [OURS, `${OURS}, kv absent`, `${OURS}, kv alias`].map((name) => of(name, at)));
      return {
        measured: `KL when 15 and 25 % are wanted: ${sets.map((set) => set.map(kl).join(' / ')).join(', ')}`,
        holds: yes(sets.flatMap(([project = 0, absent = 0, alias = 0]) => [project <= absent, alias > 2 * project])),
      };
    },
  },
  {
    claim: 'One quantile for each branch is far worse than one threshold for all, weighted by cost',
    prototype: 'KL near 10 % 1.06 against 0.58',
    judge: ({ kl: of }) => {
      const [quantile, streaming, ours] = ['branch-quantile', 'branch-threshold', OURS].map((name) => of(name, 0.1));
      return {
        measured: `KL at 10 %: branch-quantile ${kl(quantile)}, branch-threshold ${kl(streaming)}, global-threshold ${kl(ours)}`,
        holds: yes([quantile > 1.25 * ours, streaming > 1.25 * ours]),
      };
    },
  },
  {
    claim: 'A constant stand-in costs nothing and is worth more than a perfect router',
    prototype: 'KL near 10 %: gates 0.58, with stand-ins 0.26 to 0.29, oracle without 0.31',
    judge: ({ kl: of }) => {
      const [plain, standIns, oracle] = [`${OURS}, no stand-ins`, OURS, 'oracle, no stand-ins'].map((name) => of(name, 0.15));
      return {
        measured: `KL when 15 % are wanted: gates ${kl(plain)}, with stand-ins ${kl(standIns)}, oracle without ${kl(oracle)}`,
        holds: yes([standIns < plain, standIns <= oracle]),
      };
    },
  },
  {
    claim: 'Random tokens are worse than all else at about 10 %',
    prototype: 'said without figures',
    judge: ({ kl: of }) => {
      const others = curves.map(({ name }) => name).filter((name) => name !== 'random');
      const random = of('random', 0.1);
      const worst = others.map((name) => ({ name, kl: of(name, 0.1) })).sort((a, b) => b.kl - a.kl)[0];
      return { measured: `KL at 10 %: random ${kl(random)}, worst of the others ${worst.name} ${kl(worst.kl)}`, holds: random > worst.kl };
    },
  },
  {
    claim: 'At equal shares per branch the learned choice of tokens beats a random one by 0.3 to 2 nats (there: trained gates)',
    prototype: 'near 14 / 24 / 39 %: 0.86 / 1.60 / 3.26 against 0.30 / 0.55 / 1.20',
    judge: ({ kl: of }) => {
      const gains = [0.15, 0.25, 0.4].map((at) => ({ at, random: of('random-calibrated', at), ours: of(OURS, at) }));
      return {
        measured: `KL at 15 / 25 / 40 %: ${gains.map(({ random }) => kl(random)).join(' / ')} against ${gains.map(({ ours }) => kl(ours)).join(' / ')}`,
        holds: yes(gains.map(({ random, ours }) => random - ours >= 0.3)),
      };
    },
  },
  {
    claim: 'Dropping layers of least block influence beats gates without stand-ins and loses to gates with them, near 10 %',
    prototype: 'KL 0.38 (no stand-ins) against 0.51 to 0.58 and 0.26 to 0.29',
    judge: ({ kl: of }) => {
      const [drop, ours] = ['static-influence', OURS].map((name) => of(name, 0.1));
      const [plainDrop, plain, withStandIns] = ['static-influence, no stand-ins', `${OURS}, no stand-ins`, OURS].map((name) =>
        of(name, 0.15),
      );
      return {
        measured: `KL at 10 %, both with stand-ins: dropping ${kl(drop)}, gates ${kl(ours)}; when 15 % are wanted: dropping without ${kl(plainDrop)}, gates without ${kl(plain)}, with ${kl(withStandIns)}`,
        holds: yes([plainDrop < plain, withStandIns < plainDrop]),
      };
    },
  },
  {
    claim: 'Untrained dropping of 5 and 8 layers costs a lot',
    prototype: 'KL 0.79 at 15.6 %, 1.24 at 24.9 %',
    judge: ({ kl: of }) => {
      const [first, second] = [0.15, 0.25].map((at) => of('static-influence, no stand-ins', at));
      return { measured: `KL ${kl(first)} and ${kl(second)}`, holds: yes([first > 0.5, second > 0.9]) };
    },
  },
  {
    claim: 'Single branches matter very differently: MLP 0, attention 1 and 0, MLP 29 and 28 must not go',
    prototype: 'KL of removing them 9.6, 3.1, 2.0, 1.9, 0.77; others 0.04 to 0.29',
    judge: ({ summary }) => {
      if (!summary.profile) throw new Missing();
      const named = ['MLP 0', 'attention 1', 'attention 0', 'MLP 29', 'MLP 28'];
      const places = [1, 2, 0, 59, 57];
      const found = places.map((branch) => summary.profile.removalKl[branch]);
      const rest = summary.profile.removalKl.filter((/** @type {number} */ _, /** @type {number} */ branch) => !places.includes(branch));
      return {
        measured: `${named.map((name, at) => `${name} ${kl(found[at])}`).join(', ')}; others at most ${kl(Math.max(...rest))}`,
        holds: yes(found.map((value) => value > Math.max(...rest))),
      };
    },
  },
  {
    claim: 'Dense HellaSwag and PIQA',
    prototype: '39.0 and 66.5 (200 items, standard error 3.5)',
    judge: ({ summary }) => {
      const { hellaswag, piqa } = summary.dense.tasks ?? {};
      if (!hellaswag || !piqa) throw new Missing();
      const near = (/** @type {{ value: number, error: number }} */ { value, error }, /** @type {number} */ there) =>
        Math.abs(value - there) <= 2 * Math.hypot(error, 0.035);
      return {
        measured: `${percent(hellaswag.value)} ± ${percent(hellaswag.error)}, ${percent(piqa.value)} ± ${percent(piqa.error)}`,
        holds: yes([near(hellaswag, 0.39), near(piqa, 0.665)]),
      };
    },
  },
  {
    claim: 'Thresholds that stand still drift with the text',
    prototype: 'asked 15 %: 14.3 % on the evaluation text, 11.4 % on HellaSwag',
    judge: ({ summary }) => {
      const point = summary.points.find((/** @type {any} */ { policy, target }) => policy === OURS && target === 0.15);
      if (!point?.agreement || !point.tasks) throw new Missing();
      const tasks = Object.entries(point.tasks).map(([name, { saved }]) => `${name} ${percent(saved)}`);
      const away = Object.values(point.tasks).map(({ saved }) => Math.abs(saved - point.asked));
      return {
        measured: `asked ${percent(point.asked)}: text ${percent(point.agreement.saved)}, ${tasks.join(', ')}`,
        holds: Math.max(...away, Math.abs(point.agreement.saved - point.asked)) > 0.01,
      };
    },
  },
  { claim: 'Trained gates, LoRA, trained drops', prototype: 'KL 0.24 to 0.30 near 15 %', judge: () => undefined },
];

/** @param {any} summary */
export function findingsTable(summary) {
  /** @type {Reader} */
  const reader = {
    summary,
    kl: (policy, target) => {
      const point = summary.points.find((/** @type {any} */ each) => each.policy === policy && each.target === target);
      if (!point?.agreement) throw new Missing();
      return point.agreement.kl;
    },
  };
  const rows = findings.map(({ claim, prototype, judge }) => {
    const found = judged(judge, reader);
    if (found === 'missing') return [claim, prototype, '', 'not measured yet'];
    if (found === undefined) return [claim, prototype, '', 'open: needs gates trained with the product'];
    const verdict = found.holds === true ? 'confirmed' : found.holds === 'in part' ? 'in part' : 'corrected';
    return [claim, prototype, found.measured, verdict];
  });
  return markdownTable(['finding', 'prototype', 'here', 'verdict'], rows);
}

/** @param {Finding['judge']} judge @param {Reader} reader */
function judged(judge, reader) {
  try {
    return judge(reader);
  } catch (error) {
    if (error instanceof Missing) return 'missing';
    throw error;
  }
}
