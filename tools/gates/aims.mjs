import { readingAt } from '../quality/metrics.mjs';
import { markdownTable, percent } from '../quality/tables.mjs';

/** What trained gates shall reach: most KL to the dense model, nats, where so much is saved; 0: nothing skipped. */
export const klAims = [
  { saved: 0, most: 0.05 },
  { saved: 0.15, most: 0.15 },
  { saved: 0.25, most: 0.3 },
  { saved: 0.4, most: 0.7 },
];
/** Tasks stay within one standard error of dense where so much is saved. */
export const TASKS_AT = 0.15;

/**
 * Every aim with what was reached.
 *
 * @typedef {object} AimRow
 * @property {string} aim
 * @property {string} on
 * @property {string} measured
 * @property {'met' | 'missed' | 'not measured yet'} verdict
 * @property {string} by how much it was missed
 *
 * @param {any} summary @param {import('./view.mjs').GatesView} view @returns {AimRow[]}
 */
export function aimRows(summary, view) {
  const metrics = view.metricsOf(summary);
  const texts = /** @type {const} */ ([
    ['kl', 'WikiText-2'],
    ['own', "the dense model's own answers"],
  ]);
  /** @type {AimRow[]} */
  const rows = klAims.flatMap(({ saved, most }) =>
    texts.map(([name, on]) => {
      const metric = metrics.find((each) => each.name === name);
      const reading = metric && readingAt(summary, metric, view.judged, saved);
      const aim = `KL ${saved === 0 ? 'with nothing skipped' : `at ${percent(saved)}`} at most ${most}`;
      if (!reading) return { aim, on, measured: '', verdict: 'not measured yet', by: '' };
      const { value, error } = reading;
      const isMet = value <= most;
      const by = isMet ? '' : `${(value - most).toFixed(3)} (${(value / most).toFixed(1)} times the aim)`;
      return { aim, on, measured: `${value.toFixed(3)} ± ${error.toFixed(3)}`, verdict: isMet ? 'met' : 'missed', by };
    }),
  );
  const point = summary.points.find((/** @type {any} */ { policy, target }) => policy === view.judged && target === TASKS_AT);
  const aim = `tasks at ${percent(TASKS_AT)} within one standard error of dense`;
  const dense = summary.dense.tasks;
  if (!point?.tasks || !dense) return [...rows, { aim, on: 'tasks', measured: '', verdict: 'not measured yet', by: '' }];
  for (const [name, { value: asRead, againstDense }] of Object.entries(point.tasks)) {
    const metric = metrics.find((each) => each.name === name);
    // On the line between neighbouring points; the pair's interval goes with it.
    const { value, saved } = (metric && readingAt(summary, metric, view.judged, TASKS_AT)) ?? point.tasks[name];
    const shift = value - asRead;
    const loss = dense[name].value - value;
    // A hair beyond is rounding: both are counts over the same items.
    const isMet = loss <= dense[name].error + 1e-9;
    const pair = againstDense
      ? `, paired ${signed(againstDense.difference + shift)} (${signed(againstDense.low + shift)} .. ${signed(againstDense.high + shift)})`
      : '';
    rows.push({
      aim,
      on: name,
      measured: `${points(value)} against ${points(dense[name].value)} ± ${points(dense[name].error)}${pair}; ${percent(saved)} saved`,
      verdict: isMet ? 'met' : 'missed',
      by: isMet ? '' : `${points(loss - dense[name].error)} points`,
    });
  }
  return rows;
}

const points = (/** @type {number} */ value) => (100 * value).toFixed(1);
const signed = (/** @type {number} */ value) => `${value > 0 ? '+' : ''}${points(value)}`;

/** @param {any} summary @param {import('./view.mjs').GatesView} view */
export function aimsTable(summary, view) {
  const table = markdownTable(
    ['aim', 'on', 'measured', 'verdict', 'missed by'],
    aimRows(summary, view).map(({ aim, on, measured, verdict, by }) => [aim, on, measured, verdict === 'met' ? '**met**' : verdict, by]),
  );
  return `Of curve *${view.judged}*:\n\n${table}`;
}
