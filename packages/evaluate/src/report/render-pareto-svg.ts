import { InvalidArgumentError } from '@gateskip/errors';
import type { EvaluationResults } from '../run/results.js';
import { escapeXml, figure } from './format.js';
import { type ParetoData, type ParetoPoint, paretoData } from './pareto-points.js';

const panelWidth = 440;
const height = 380;
const left = 62;
const right = 18;
const top = 52;
const bottom = 52;
/** Told apart also by those who see few colours; the shape differs too. */
const colors = ['#18181b', '#2563eb', '#d97706', '#059669', '#db2777', '#7c3aed', '#0891b2', '#65a30d'];
const mostNameCharacters = 64;

/**
 * Quality against net MACs and, where speed was measured, against decode speed. Better is up and, for MACs, left; for speed,
 * right. Bars are standard errors, a line joins the runs of one policy.
 *
 * @throws InvalidArgumentError where there is no quality to draw
 */
export function renderParetoSvg(results: EvaluationResults): string {
  const data = paretoData(results);
  if (data === undefined || data.points.length === 0)
    throw new InvalidArgumentError('There is neither a scored task nor a perplexity to draw.', 'Evaluate one.');
  const policies = [...new Set(data.points.map(({ policy }) => policy))];
  const panels = [{ name: 'net MACs, share of dense', measureOf: (point: ParetoPoint) => point.net as number | undefined }];
  if (data.points.some(({ speed }) => speed !== undefined)) panels.push({ name: data.speed, measureOf: (point) => point.speed });
  const width = panels.length * panelWidth;
  const legendHeight = 18 * Math.ceil(policies.length / 3) + 10;
  const name =
    results.model.name.length > mostNameCharacters ? `${results.model.name.slice(0, mostNameCharacters - 1)}…` : results.model.name;
  const legend = policies.map((policy, index) => {
    const x = left + (index % 3) * ((width - left) / 3);
    const y = height + 4 + 18 * Math.floor(index / 3);
    return `${mark(x, y, index)}<text x="${x + 10}" y="${y + 4}">${escapeXml(policy)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height + legendHeight}" role="img" font-family="sans-serif" font-size="12" fill="#3f3f46">
<title>Quality against compute, ${escapeXml(name)}</title>
<rect width="${width}" height="${height + legendHeight}" fill="#ffffff"/>
<text x="${left}" y="22" font-size="15" fill="#18181b">Quality against compute</text>
<text x="${left}" y="39">${escapeXml(name)}</text>
${panels.map((panel, index) => renderPanel(data, policies, panel.name, panel.measureOf, index * panelWidth)).join('\n')}
${legend.join('\n')}
</svg>
`;
}

function renderPanel(
  data: ParetoData,
  policies: readonly string[],
  name: string,
  measureOf: (point: ParetoPoint) => number | undefined,
  offset: number,
): string {
  const points = data.points.flatMap((point) => {
    const value = measureOf(point);
    return value === undefined ? [] : [{ ...point, value }];
  });
  const [lowX, highX] = range(points.map(({ value }) => value));
  const [lowY, highY] = range(points.flatMap(({ quality, error }) => [quality - error, quality + error]));
  const x = (value: number): string => (offset + left + ((value - lowX) / (highX - lowX)) * (panelWidth - left - right)).toFixed(1);
  const up = (value: number): number => (value - lowY) / (highY - lowY);
  const y = (value: number): string =>
    (height - bottom - (data.lowerIsBetter ? 1 - up(value) : up(value)) * (height - top - bottom)).toFixed(1);
  const text = (value: number): string => (data.lowerIsBetter ? figure(value) : (100 * value).toFixed(1));
  const parts: string[] = [];
  for (let step = 0; step <= 4; step++) {
    const atX = lowX + (step / 4) * (highX - lowX);
    const atY = lowY + (step / 4) * (highY - lowY);
    parts.push(`<line x1="${x(atX)}" y1="${top}" x2="${x(atX)}" y2="${height - bottom}" stroke="#e4e4e7"/>`);
    parts.push(`<text x="${x(atX)}" y="${height - bottom + 17}" text-anchor="middle">${figure(atX)}</text>`);
    parts.push(`<line x1="${x(lowX)}" y1="${y(atY)}" x2="${x(highX)}" y2="${y(atY)}" stroke="#e4e4e7"/>`);
    parts.push(`<text x="${offset + left - 7}" y="${y(atY)}" dy="4" text-anchor="end">${text(atY)}</text>`);
  }
  for (const [index, policy] of policies.entries()) {
    const own = points.filter((point) => point.policy === policy).sort((a, b) => a.value - b.value);
    const color = colors[index % colors.length];
    if (own.length > 1)
      parts.push(
        `<polyline points="${own.map(({ value, quality }) => `${x(value)},${y(quality)}`).join(' ')}" fill="none" stroke="${color}"/>`,
      );
    for (const { value, quality, error, label } of own) {
      parts.push(`<line x1="${x(value)}" y1="${y(quality - error)}" x2="${x(value)}" y2="${y(quality + error)}" stroke="${color}"/>`);
      parts.push(
        `<g>${mark(Number(x(value)), Number(y(quality)), index)}<title>${escapeXml(`${label}: ${text(quality)} ± ${text(error)} at ${figure(value)}`)}</title></g>`,
      );
    }
  }
  const middle = (top + height - bottom) / 2;
  const quality = `${data.quality}${data.lowerIsBetter ? '' : ', %'}`;
  parts.push(`<text x="${offset + (left + panelWidth - right) / 2}" y="${height - 14}" text-anchor="middle">${escapeXml(name)}</text>`);
  parts.push(`<text transform="translate(${offset + 15} ${middle}) rotate(-90)" text-anchor="middle">${escapeXml(quality)}</text>`);
  return parts.join('\n');
}

/** Ends with some air; never empty. */
function range(values: readonly number[]): readonly [number, number] {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const air = 0.08 * (high - low) || Math.max(0.01, 0.1 * Math.abs(high));
  return [low - air, high + air];
}

function mark(x: number, y: number, index: number): string {
  const color = colors[index % colors.length];
  if (index % 3 === 1) return `<rect x="${(x - 4).toFixed(1)}" y="${(y - 4).toFixed(1)}" width="8" height="8" fill="${color}"/>`;
  if (index % 3 === 2) return `<path d="M${x.toFixed(1)} ${(y - 5).toFixed(1)}l5 9h-10z" fill="${color}"/>`;
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="${color}"/>`;
}
