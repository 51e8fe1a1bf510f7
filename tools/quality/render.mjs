// Writes the numbers, tables and charts of docs/quality.md from what report.mjs measured.
//
//   node tools/quality/render.mjs [--out DIR] [--results benchmarks/reports/quality-smollm2-135m.json] [--docs docs]
//
// With --out (the folder of report.mjs, finished or not) the results are gathered anew, which needs built packages; without it
// the page is made from the results in the repository. Text outside the markers of docs/quality.md stays.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chartsOf } from './charts.mjs';
import { readJson, writeWhole } from './files.mjs';
import { findingsTable } from './findings.mjs';
import { replaceBetween } from './markers.mjs';
import { loadPackages } from './packages.mjs';
import { summarize } from './summarize.mjs';
import { conditions, curveTables, profileTable, speedTable, variantsTable, winnersTable } from './tables.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    results: { type: 'string', default: join(root, 'benchmarks/reports/quality-smollm2-135m.json') },
    docs: { type: 'string', default: join(root, 'docs') },
  },
});
if (options.out !== undefined) {
  const [evaluation] = await loadPackages(['evaluate']);
  writeWhole(options.results, `${JSON.stringify(summarize(options.out, evaluation), null, 1)}\n`);
}
const summary = readJson(options.results);
if (summary === undefined) throw new Error(`There is no ${options.results}. Give --out.`);
const page = join(options.docs, 'quality.md');
let document = readFileSync(page, 'utf8');
for (const [name, text] of Object.entries({
  conditions: conditions(summary),
  winners: winnersTable(summary),
  curves: curveTables(summary),
  speed: speedTable(summary),
  variants: variantsTable(summary),
  profile: profileTable(summary),
  findings: findingsTable(summary),
  charts: Object.keys(chartsOf(summary))
    .map((file) => `![${file.replace('.svg', '').replaceAll('-', ' ')}](${file})`)
    .join('\n\n'),
}))
  document = replaceBetween(document, name, text);
writeWhole(page, document);
for (const [file, svg] of Object.entries(chartsOf(summary))) writeWhole(join(options.docs, file), svg);
console.error(`${page}: ${summary.points.length} points`);
