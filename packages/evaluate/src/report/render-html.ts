import type { EvaluationResults } from '../run/results.js';
import { escapeXml } from './format.js';
import { paretoData } from './pareto-points.js';
import { renderParetoSvg } from './render-pareto-svg.js';
import { detailsTable, type ReportTable, resultsTable } from './rows.js';

/** Chart and tables as one page that needs nothing else. */
export function renderHtml(results: EvaluationResults): string {
  const chart = (paretoData(results)?.points.length ?? 0) > 0 ? renderParetoSvg(results) : '';
  const title = escapeXml(`${results.model.name}: quality against compute`);
  const sources = Object.entries(results.data).map(
    ([name, { items, records, source }]) => `<li>${escapeXml(`${name}: ${items} of ${records} items, ${source}`)}</li>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>
body { font: 14px/1.5 sans-serif; color: #18181b; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #e4e4e7; padding: 0.25rem 0.75rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
svg { max-width: 100%; height: auto; }
</style>
</head>
<body>
<h1>${title}</h1>
${chart}
${table(resultsTable(results))}
${Object.keys(results.data).length > 0 ? table(detailsTable(results)) : ''}
<ul>${sources.join('')}</ul>
</body>
</html>
`;
}

function table({ header, rows }: ReportTable): string {
  const cells = (tag: string, values: readonly string[]): string =>
    `<tr>${values.map((value) => `<${tag}>${escapeXml(value)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${cells('th', header)}</thead><tbody>${rows.map((row) => cells('td', row)).join('\n')}</tbody></table>`;
}
