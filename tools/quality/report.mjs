// Measures what budgets cost in quality, for our gates and for baselines, at equal net MACs.
//
//   node tools/quality/report.mjs --model MODEL --data DIR --text FILE --out DIR [--items 100] [--text-tokens 4096]
//     [--own-tokens 1024] [--window 512] [--policies a,b] [--budgets 5,10,15] [--parts texts,own,tasks,speed] [--no-variants]
//     [--no-speed] [--speed-rounds 3] [--threads N] [--adapter FILE]
//   node tools/quality/render.mjs --out DIR
//
// Needs built packages (npm run setup). --data is a folder with <task>/<split>.jsonl. Each policy is asked for what makes it
// save the wanted share on the scored text (found with some windows of it: its costs, not its quality, are looked at). Results
// are a file a piece in --out; stopped or killed, the same command goes on. The cheapest and most telling pieces come first.
import { parseArgs } from 'node:util';
import { measurePiece } from './measure-piece.mjs';
import { openRun } from './open-run.mjs';
import { shareOption, wholeOption } from './option-values.mjs';
import { curves, SAVINGS, variants } from './policies.mjs';
import { pieceRunner } from './run-pieces.mjs';
import { workList } from './work-list.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    adapter: { type: 'string' },
    data: { type: 'string' },
    text: { type: 'string' },
    out: { type: 'string' },
    items: { type: 'string', default: '100' },
    'text-tokens': { type: 'string', default: '4096' },
    'own-tokens': { type: 'string', default: '1024' },
    window: { type: 'string', default: '512' },
    policies: { type: 'string' },
    budgets: { type: 'string' },
    parts: { type: 'string', default: 'texts,own,tasks,speed' },
    'no-variants': { type: 'boolean', default: false },
    'no-speed': { type: 'boolean', default: false },
    'speed-rounds': { type: 'string', default: '3' },
    threads: { type: 'string' },
  },
});
for (const needed of /** @type {const} */ (['model', 'text', 'out'])) if (!options[needed]) throw new Error(`Give --${needed}.`);

const parts = new Set(options.parts.split(',').filter((part) => part !== 'speed' || !options['no-speed']));
if (parts.has('tasks') && !options.data) throw new Error('Give --data, or leave tasks out of --parts.');
// Whatever --parts says: parts of one run may come one after the other.
const ownTokens = whole('own-tokens', 0);
if (ownTokens === 0) parts.delete('own');
const wantedCurves = named(options.policies);
const savings = options.budgets?.split(',').map((text) => shareOption(text)) ?? SAVINGS;
const pieces = workList({ curves: wantedCurves, savings, parts, variants: options['no-variants'] ? [] : variants });

const out = /** @type {string} */ (options.out);
const { signal, log, runPieces } = pieceRunner();
await runPieces(pieces, out, {
  open: (left) =>
    openRun({
      model: /** @type {string} */ (options.model),
      adapter: options.adapter,
      data: options.data ?? '',
      text: /** @type {string} */ (options.text),
      items: whole('items', 1),
      textTokens: whole('text-tokens', 2),
      ownTokens,
      window: whole('window', 2),
      threads: options.threads === undefined ? undefined : whole('threads', 1),
      speedRounds: whole('speed-rounds', 1),
      out,
      needsTasks: left.some(({ part }) => part === 'tasks'),
      signal,
      log,
    }),
  measure: (piece, run) => measurePiece(piece, run, wantedCurves),
});

/** @param {string | undefined} list */
function named(list) {
  if (list === undefined) return curves;
  return list.split(',').map((name) => {
    const found = curves.find((curve) => curve.name === name);
    if (!found) throw new Error(`There is no policy ${name}. Known: ${curves.map((curve) => curve.name).join(', ')}.`);
    return found;
  });
}

/** @param {keyof typeof options} name @param {number} least */
function whole(name, least) {
  return wholeOption(name, options[name], least);
}
