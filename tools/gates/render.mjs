// Writes the numbers, tables and charts of docs/gates.md from what tools/gates/report.mjs measured.
//
//   node tools/gates/render.mjs [--out DIR] [--results benchmarks/reports/gates-smollm2-135m.json] [--docs docs] [--json]
//
// With --out (the folder of report.mjs, finished or not) the results are gathered anew, which needs built packages; without it
// the page is made from the results in the repository. Text outside the markers of docs/gates.md stays. --json prints the whole
// results document.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readJson, writeWhole } from '../quality/files.mjs';
import { replaceBetween } from '../quality/markers.mjs';
import { loadPackages } from '../quality/packages.mjs';
import { curveTables, speedTable, winnersTable } from '../quality/tables.mjs';
import { aimsTable } from './aims.mjs';
import { anchorsTable } from './anchors.mjs';
import { gatesCharts } from './charts.mjs';
import { anchorPicture } from './measure-anchors.mjs';
import { summarizeGates } from './summarize.mjs';
import { adaptersTable, answersTable, conditions, duelTables, trainingTable } from './tables.mjs';
import { gatesView } from './view.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    results: { type: 'string', default: join(root, 'benchmarks/reports/gates-smollm2-135m.json') },
    docs: { type: 'string', default: join(root, 'docs') },
    json: { type: 'boolean', default: false },
  },
});
const ANCHORS = 'gates-anchors.svg';
if (options.out !== undefined) {
  const [evaluation, observe] = await loadPackages(['evaluate', 'observe']);
  const gathered = summarizeGates(options.out, evaluation, observe);
  writeWhole(options.results, `${JSON.stringify(gathered, null, 1)}\n`);
  const shown = gathered.anchors.find((/** @type {any} */ { curve }) => curve === gathered.judged) ?? gathered.anchors[0];
  const picture = shown && anchorPicture(options.out, shown.file);
  if (picture) writeWhole(join(options.docs, ANCHORS), picture);
}
const summary = readJson(options.results);
if (summary === undefined) throw new Error(`There is no ${options.results}. Give --out.`);
const view = gatesView(summary);
const charts = gatesCharts(summary, view);
const image = (/** @type {string} */ file) => `![${file.replace('.svg', '').replaceAll('-', ' ')}](${file})`;
const training = 'gates-training.svg';
const hasPicture = summary.anchors.length > 0 && existsSync(join(options.docs, ANCHORS));
const page = join(options.docs, 'gates.md');
let document = readFileSync(page, 'utf8');
for (const [name, text] of Object.entries({
  conditions: conditions(summary, view),
  aims: aimsTable(summary, view),
  adapters: adaptersTable(summary),
  duels: duelTables(summary, view),
  winners: winnersTable(summary, view),
  charts: Object.keys(charts)
    .filter((file) => file !== training)
    .map(image)
    .join('\n\n'),
  curves: curveTables(summary, view),
  speed: speedTable(summary, view),
  answers: answersTable(summary, view),
  training: [trainingTable(summary.training), ...(training in charts ? [image(training)] : [])].join('\n\n'),
  anchors: [anchorsTable(summary.anchors, view.judged), ...(hasPicture ? [image(ANCHORS)] : [])].join('\n\n'),
}))
  document = replaceBetween(document, name, text || 'Not measured yet.');
writeWhole(page, document);
for (const [file, svg] of Object.entries(charts)) writeWhole(join(options.docs, file), svg);
if (options.json) console.log(JSON.stringify(summary, null, 2));
console.error(`${page}: ${summary.points.length} points`);
