import { chart } from './chart.mjs';
import { metricsOf } from './metrics.mjs';
import { curves } from './policies.mjs';

/** Charts by file name; one is left out where nothing was measured for it. @param {any} summary @returns {Record<string, string>} */
export function chartsOf(summary) {
  const metrics = metricsOf(summary);
  const metric = (/** @type {string} */ name) => metrics.find((each) => each.name === name);
  const savedAxis = 'net MACs saved, %';
  const title = (/** @type {string} */ text) => `${text}, ${summary.model.name}`;
  /** @type {Record<string, string>} */
  const charts = {};
  const onText = ['kl', 'logPerplexity'].flatMap((name) => {
    const found = metric(name);
    return found ? [{ x: savedAxis, y: found.title, log: true, lines: linesOf(summary, found, savedOf) }] : [];
  });
  if (onText.length > 0) charts['quality.svg'] = chart(title('Quality against net MACs saved'), onText);
  const onTasks = ['meanOfTasks', 'lambada'].flatMap((name) => {
    const found = metric(name);
    return found ? [{ x: savedAxis, y: found.title, lines: linesOf(summary, found, savedOf, 100) }] : [];
  });
  if (onTasks.length > 0) charts['quality-tasks.svg'] = chart(title('Tasks against net MACs saved'), onTasks);
  const kl = metric('kl');
  const bySpeed = kl
    ? /** @type {const} */ (['decodeOverDense', 'prefillOverDense'])
        .map((what) => ({
          x: `${what === 'decodeOverDense' ? 'decode' : 'prefill'} speed over dense`,
          y: kl.title,
          log: true,
          lines: linesOf(summary, kl, ({ speed }) => speed?.[what]?.median),
        }))
        .filter(({ lines }) => lines.some(({ dots }) => dots.length > 0))
    : [];
  if (bySpeed.length > 0) charts['quality-speed.svg'] = chart(title('Quality against measured speed'), bySpeed);
  return charts;
}

const savedOf = (/** @type {any} */ _point, /** @type {import('./metrics.mjs').Reading} */ reading) => 100 * reading.saved;

/**
 * @param {any} summary @param {import('./metrics.mjs').Metric} metric
 * @param {(point: any, reading: import('./metrics.mjs').Reading) => number | undefined} across
 */
function linesOf(summary, metric, across, scale = 1) {
  return curves.map(({ name }) => ({
    name,
    dots: summary.points.flatMap((/** @type {any} */ point) => {
      const reading = point.policy === name ? metric.read(point) : undefined;
      const x = reading && across(point, reading);
      return reading === undefined || x === undefined ? [] : [{ x, y: scale * reading.value, error: scale * reading.error }];
    }),
  }));
}
