import { figure, metricsOf } from '../quality/metrics.mjs';

/**
 * What the pages show of a results document.
 *
 * @typedef {import('../quality/metrics.mjs').View & { judged: string }} GatesView `judged`: the curve that the aims are about
 *
 * @param {any} summary @returns {GatesView}
 */
export function gatesView({ curves, ours, judged = ours, points }) {
  const names = curves.map((/** @type {any} */ { name }) => name);
  const savings = [...new Set(points.map((/** @type {any} */ { target }) => target))].sort((a, b) => Number(a) - Number(b));
  // The judged curve is ours too, trained longer: no baseline.
  const usable = names.filter((/** @type {string} */ name) => name === ours || name !== judged);
  return { names, usable, ours, judged, savings: /** @type {number[]} */ (savings), metricsOf: gatesMetricsOf };
}

/** @param {any} summary @returns {import('../quality/metrics.mjs').Metric[]} */
export function gatesMetricsOf(summary) {
  const all = metricsOf(summary);
  if (!summary.points.some((/** @type {any} */ point) => point.ownPerplexity)) return all;
  /** @type {import('../quality/metrics.mjs').Metric} */
  const ownPerplexity = {
    name: 'ownLogPerplexity',
    title: "perplexity of the dense model's own answers",
    lessIsBetter: true,
    isText: true,
    isLog: true,
    read: (point) => point.ownPerplexity,
    dense: ({ dense }) => dense.ownPerplexity?.value,
    show: figure,
  };
  const at = all.findIndex(({ name }) => name === 'own');
  return [...all.slice(0, at + 1), ownPerplexity, ...all.slice(at + 1)];
}
