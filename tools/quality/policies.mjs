/**
 * One curve of the report.
 *
 * @typedef {object} Curve
 * @property {string} name as tables and files call it
 * @property {string} policy of `@gateskip/scheduler`
 * @property {Record<string, unknown>} [options] of the policy
 * @property {boolean} [profile] whether it needs measurements of the dense model
 * @property {boolean} [isFixed] whether it saves the same whatever it is asked
 * @property {boolean} [oracle] whether it must know a text before it runs
 * @property {boolean} [knowsStandIns] whether its oracle scores what is left after the stand-in
 */

/** Ours, which the others are compared with. */
export const OURS = 'global-threshold';

/** @type {readonly Curve[]} */
export const curves = [
  { name: OURS, policy: 'global-threshold' },
  { name: 'static-influence', policy: 'static-influence', profile: true },
  { name: 'random', policy: 'random' },
  { name: 'branch-quantile', policy: 'branch-quantile' },
  { name: 'static-kl', policy: 'static-kl', profile: true },
  { name: 'random-calibrated', policy: 'random', options: { shares: 'calibrated' } },
  { name: 'branch-threshold', policy: 'branch-threshold' },
  { name: 'oracle', policy: 'oracle', oracle: true },
  { name: 'static-even', policy: 'static-even' },
  { name: 'global-fraction', policy: 'global-fraction' },
];

/** What single choices of ours are worth: measured on the text only, at {@link VARIANT_SAVINGS}. @type {readonly Curve[]} */
export const variants = [
  { name: 'global-threshold, no stand-ins', policy: 'global-threshold', options: { standIns: false } },
  { name: 'global-threshold, kv absent', policy: 'global-threshold', options: { kv: 'absent' } },
  { name: 'global-threshold, kv alias', policy: 'global-threshold', options: { kv: 'alias' } },
  { name: 'static-influence, no stand-ins', policy: 'static-influence', options: { standIns: false }, profile: true },
  { name: 'static-kl, no stand-ins', policy: 'static-kl', options: { standIns: false }, profile: true },
  { name: 'oracle, no stand-ins', policy: 'oracle', options: { standIns: false }, oracle: true },
  { name: 'oracle that knows stand-ins', policy: 'oracle', oracle: true, knowsStandIns: true },
];

/** Shares of the dense layer MACs saved, gates paid; those first of which most can be learnt. */
export const SAVINGS = [0.15, 0.25, 0.1, 0.4, 0.05, 0.5];
export const VARIANT_SAVINGS = [0.15, 0.25];
export const TASKS = ['hellaswag', 'piqa', 'arc_easy', 'lambada'];

/** @param {{ name: string }} curve @param {number} saved */
export function pointName({ name }, saved) {
  return `${name.replaceAll(/[^a-z0-9]+/g, '-')}-${Math.round(1000 * saved) / 10}`;
}
