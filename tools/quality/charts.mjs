import { chart } from './chart.mjs';
import { qualityView } from './metrics.mjs';

/**
 * Charts by file name; one is left out where nothing was measured for it.
 *
 * @param {any} summary @param {import('./metrics.mjs').View} [view] @param {string} [prefix] of the files
 * @param {readonly string[]} [onText] metrics of texts that are drawn
 * @returns {Record<string, string>}
 */
export function chartsOf(summary, view = qualityView, prefix = 'quality', onText = ['kl', 'logPerplexity']) {
  const metrics = view.metricsOf(summary);
  const linesOf = linesIn(summary, view);
  const metric = (/** @type {string} */ name) => metrics.find((each) => each.name === name);
  const savedAxis = 'net MACs saved, %';
  const title = (/** @type {string} */ text) => `${text}, ${summary.model.name}`;
  /** @type {Record<string, string>} */
  const charts = {};
  const textPanels = onText.flatMap((name) => {
    const found = metric(name);
    return found ? [{ x: savedAxis, y: found.title, log: true, lines: linesOf(found, savedOf) }] : [];
  });
  if (textPanels.length > 0) charts[`${prefix}.svg`] = chart(title('Quality against net MACs saved'), textPanels);
  const onTasks = ['meanOfTasks', 'lambada'].flatMap((name) => {
    const found = metric(name);
    return found ? [{ x: savedAxis, y: found.title, lines: linesOf(found, savedOf, 100) }] : [];
  });
  if (onTasks.length > 0) charts[`${prefix}-tasks.svg`] = chart(title('Tasks against net MACs saved'), onTasks);
  const kl = metric('kl');
  const bySpeed = kl
    ? /** @type {const} */ (['decodeOverDense', 'prefillOverDense'])
        .map((what) => ({
          x: `${what === 'decodeOverDense' ? 'decode' : 'prefill'} speed over dense`,
          y: kl.title,
          log: true,
          lines: linesOf(kl, ({ speed }) => speed?.[what]?.median),
        }))
        .filter(({ lines }) => lines.some(({ dots }) => dots.length > 0))
    : [];
  if (bySpeed.length > 0) charts[`${prefix}-speed.svg`] = chart(title('Quality against measured speed'), bySpeed);
  return charts;
}

const savedOf = (/** @type {any} */ _point, /** @type {import('./metrics.mjs').Reading} */ reading) => 100 * reading.saved;

/** @param {any} summary @param {import('./metrics.mjs').View} view */
function linesIn(summary, { names }) {
  /**
   * @param {import('./metrics.mjs').Metric} metric
   * @param {(point: any, reading: import('./metrics.mjs').Reading) => number | undefined} across
   */
  return (metric, across, scale = 1) =>
    names.map((name) => ({
      name,
      dots: summary.points.flatMap((/** @type {any} */ point) => {
        const reading = point.policy === name ? metric.read(point) : undefined;
        const x = reading && across(point, reading);
        return reading === undefined || x === undefined ? [] : [{ x, y: scale * reading.value, error: scale * reading.error }];
      }),
    }));
}
