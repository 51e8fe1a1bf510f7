import { chart } from '../quality/chart.mjs';
import { chartsOf } from '../quality/charts.mjs';
import { percent } from '../quality/tables.mjs';

/** Charts by file name. @param {any} summary @param {import('../quality/metrics.mjs').View} view @returns {Record<string, string>} */
export function gatesCharts(summary, view) {
  const { own, training } = groupsOf(summary, view);
  return {
    ...chartsOf(summary, view, 'gates', own ? ['kl', 'own'] : ['kl']),
    ...(summary.training.length > 0 && training.length > 0 && { 'gates-training.svg': chart('Training: KL on held-out text', training) }),
  };
}

/** @param {any} summary @param {import('../quality/metrics.mjs').View} view */
function groupsOf(summary, view) {
  const panels = summary.training
    .map((/** @type {any} */ run) => ({
      x: `tokens trained (thousands), ${run.name}`,
      y: 'KL to the dense model, nats',
      log: true,
      lines: trainingLines(run),
    }))
    .filter((/** @type {any} */ { lines }) => lines.length > 0);
  return { own: view.metricsOf(summary).some(({ name }) => name === 'own'), training: panels };
}

/** One line a budget of the looks; a static drop has one. @param {import('./training-log.mjs').TrainingRun} run */
export function trainingLines({ looks }) {
  const asked = [...new Set(looks.flatMap(({ points }) => points.map((point) => point.asked)))].sort((a, b) => a - b);
  return asked.map((budget) => {
    const found = looks.flatMap(({ tokens, points }) =>
      points.filter((point) => point.asked === budget).map((point) => ({ tokens, ...point })),
    );
    const last = found.at(-1);
    const isDrop = budget >= 1;
    return {
      name: budget === 0 ? 'nothing skipped' : `${percent(isDrop ? (last?.saved ?? 0) : budget)} ${isDrop ? 'dropped' : 'asked'}`,
      dots: found.map(({ tokens, kl }) => ({ x: tokens / 1000, y: kl })),
    };
  });
}
