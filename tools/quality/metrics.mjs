import { atSaving } from './at-saving.mjs';
import { curves, OURS, SAVINGS } from './policies.mjs';

/** @typedef {{ value: number, error: number, saved: number }} Reading */

/**
 * One number of the report.
 *
 * @typedef {object} Metric
 * @property {string} name as the comparison with ours calls it
 * @property {string} title
 * @property {boolean} lessIsBetter
 * @property {(point: any) => Reading | undefined} read
 * @property {(summary: any) => number | undefined} dense
 * @property {(value: number) => string} show
 * @property {boolean} isText of the text or of the model's own answers
 * @property {boolean} [isLog] lies on straighter lines as logarithm; differences are of logarithms
 */

const percent = (/** @type {number} */ value) => (100 * value).toFixed(1).replace(/^-(0\.0)$/, '$1');
export const figure = (/** @type {number} */ value) =>
  value >= 1000
    ? value.toPrecision(3).replace(/e\+?(\d+)/, ' · 10^$1')
    : value >= 100
      ? value.toFixed(0)
      : value.toFixed(value >= 10 ? 1 : 2);

/** @param {any} summary @returns {Metric[]} */
export function metricsOf(summary) {
  const names = Object.keys(summary.data);
  const agreement = (/** @type {string} */ part, /** @type {string} */ what) => (/** @type {any} */ point) =>
    point[part] && { value: point[part][what], error: point[part][`${what}Error`], saved: point[part].saved };
  /** @type {Metric[]} */
  const metrics = [
    {
      name: 'kl',
      title: 'KL to the dense model, nats',
      lessIsBetter: true,
      isText: true,
      read: agreement('agreement', 'kl'),
      dense: () => 0,
      show: (value) => value.toFixed(3),
    },
    {
      name: 'top1',
      title: 'top-1 agreement with the dense model, %',
      lessIsBetter: false,
      isText: true,
      read: agreement('agreement', 'top1'),
      dense: () => 1,
      show: percent,
    },
    {
      name: 'logPerplexity',
      title: 'perplexity',
      lessIsBetter: true,
      isText: true,
      isLog: true,
      read: ({ perplexity }) => perplexity,
      dense: ({ dense }) => dense.perplexity?.value,
      show: figure,
    },
    {
      name: 'own',
      title: "KL on the dense model's own answers, nats",
      lessIsBetter: true,
      isText: true,
      read: agreement('own', 'kl'),
      dense: () => 0,
      show: (value) => value.toFixed(3),
    },
  ];
  for (const name of names) {
    metrics.push({
      name,
      title: `${taskTitles[name] ?? name} (${summary.data[name].metric}), %`,
      lessIsBetter: false,
      isText: false,
      read: ({ tasks }) => tasks?.[name],
      dense: ({ dense }) => dense.tasks?.[name].value,
      show: percent,
    });
  }
  if (names.length > 1) {
    const mean = (/** @type {any} */ tasks) => {
      if (!tasks) return undefined;
      const all = names.map((name) => tasks[name]);
      return {
        value: all.reduce((sum, { value }) => sum + value, 0) / names.length,
        error: Math.sqrt(all.reduce((sum, { error }) => sum + error ** 2, 0)) / names.length,
        saved: all.reduce((sum, { saved }) => sum + saved, 0) / names.length,
      };
    };
    metrics.push({
      name: 'meanOfTasks',
      title: `mean of the ${names.length} tasks, %`,
      lessIsBetter: false,
      isText: false,
      read: ({ tasks }) => mean(tasks),
      dense: ({ dense }) => mean(dense.tasks)?.value,
      show: percent,
    });
  }
  return metrics.filter(({ read }) => summary.points.some((/** @type {any} */ point) => read(point) !== undefined));
}

/** @type {Record<string, string>} */
const taskTitles = { hellaswag: 'HellaSwag', piqa: 'PIQA', arc_easy: 'ARC-Easy', lambada: 'LAMBADA' };

/**
 * A metric of a policy where `target` is saved: brought to exactly that, as far as the policy's own points reach. Thresholds stand
 * still in scored text, so what is saved drifts with it, on tasks by some points.
 *
 * @param {any} summary @param {Metric} metric @param {string} policy @param {number} target
 * @returns {Reading | undefined}
 */
export function readingAt(summary, metric, policy, target) {
  const own = summary.points.filter((/** @type {any} */ point) => point.policy === policy);
  const point = own.find((/** @type {any} */ { target: wanted }) => wanted === target);
  const reading = point && metric.read(point);
  // Nothing skipped: what an adapter changes in the model is all there is, and it may cost more than dense.
  if (!reading || target === 0) return reading;
  const dense = metric.dense(summary);
  if (dense === undefined) return reading;
  const { isLog = false } = metric;
  const on = (/** @type {number} */ value) => (isLog ? Math.log(value) : value);
  const measured = own
    .filter((/** @type {any} */ { target: wanted }) => wanted > 0)
    .map(metric.read)
    .filter((/** @type {Reading | undefined} */ found) => found !== undefined);
  // Where an adapter changes the model itself, its curve does not begin at the dense model.
  const start = summary.points.find((/** @type {any} */ each) => each.policy === (summary.starts?.[policy] ?? policy) && each.target === 0);
  const first = start && metric.read(start);
  const value = atSaving(target, [
    first ? { saved: first.saved, value: on(first.value) } : { saved: 0, value: on(dense) },
    ...measured.map((/** @type {Reading} */ { saved, value }) => ({ saved, value: on(value) })),
  ]);
  if (value === undefined) return reading;
  return { value: isLog ? Math.exp(value) : value, error: reading.error, saved: target };
}

/**
 * What a report sets beside each other.
 *
 * @typedef {object} View
 * @property {readonly string[]} names of the curves
 * @property {readonly string[]} usable those that take part in comparisons
 * @property {string} ours
 * @property {readonly number[]} savings ascending
 * @property {(summary: any) => Metric[]} metricsOf
 */

/** The quality report's; an oracle knows the text beforehand and is compared with nothing. @type {View} */
export const qualityView = {
  names: curves.map(({ name }) => name),
  usable: curves.filter(({ oracle }) => !oracle).map(({ name }) => name),
  ours: OURS,
  savings: [...SAVINGS].sort((a, b) => a - b),
  metricsOf,
};

/** Readings further from the saving than this are of another one: they are shown and compared with nothing. */
const OTHER_SAVING = 0.05;

/** @param {{ saved: number }} reading @param {number} target */
export const isAtSaving = ({ saved }, target) => Math.abs(saved - target) <= OTHER_SAVING;

/**
 * Who is best under a budget, and how the best baseline stands to ours.
 *
 * @param {any} summary @param {Metric} metric @param {number} target @param {View} [view]
 */
export function winnerOf(summary, metric, target, { usable, ours: ourName } = qualityView) {
  const readings = usable.flatMap((policy) => {
    const reading = readingAt(summary, metric, policy, target);
    return reading && isAtSaving(reading, target) ? [{ policy, ...reading }] : [];
  });
  const ours = readings.find(({ policy }) => policy === ourName);
  const sign = metric.lessIsBetter ? 1 : -1;
  const best = readings.filter(({ policy }) => policy !== ourName).sort((a, b) => sign * (a.value - b.value))[0];
  if (ours === undefined || best === undefined) return undefined;
  return { ours, best, readings: readings.length, ...compared(summary, metric, target, best, ours) };
}

/**
 * How another curve stands to ours.
 *
 * @param {any} summary @param {Metric} metric @param {number} target
 * @param {Reading & { policy: string }} other @param {Reading} ours
 */
export function compared(summary, metric, target, other, ours) {
  const row = summary.against.find((/** @type {any} */ { policy, target: wanted }) => policy === other.policy && wanted === target);
  const paired = shifted(row?.[metric.name], metric, target, other.value, ours.value);
  return { paired, verdict: verdictOf(paired, metric.lessIsBetter) };
}

/**
 * The interval was drawn where each was measured; both were then brought to the same saving, and the interval goes with them.
 *
 * @param {{ difference: number, low: number, high: number } | undefined} paired
 * @param {Metric} metric @param {number} target @param {number} baseline @param {number} ours
 */
function shifted(paired, { isLog }, target, baseline, ours) {
  if (!paired || target === 0) return paired;
  const difference = isLog ? Math.log(baseline / ours) : baseline - ours;
  const shift = difference - paired.difference;
  return { difference, low: paired.low + shift, high: paired.high + shift };
}

/** @param {{ low: number, high: number } | undefined} paired baseline minus ours @param {boolean} lessIsBetter */
export function verdictOf(paired, lessIsBetter) {
  if (paired === undefined) return 'not tested';
  if (paired.low <= 0 && paired.high >= 0) return 'no clear difference';
  return paired.high < 0 === lessIsBetter ? 'the baseline is better' : 'ours is better';
}
