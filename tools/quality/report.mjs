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
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measurePiece } from './measure-piece.mjs';
import { openRun } from './open-run.mjs';
import { curves, SAVINGS, variants } from './policies.mjs';
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
const ownTokens = parts.has('own') ? whole('own-tokens', 0) : 0;
if (ownTokens === 0) parts.delete('own');
const wantedCurves = named(options.policies);
const savings = options.budgets?.split(',').map((text) => share(text)) ?? SAVINGS;
const pieces = workList({ curves: wantedCurves, savings, parts, variants: options['no-variants'] ? [] : variants });

const stop = new AbortController();
let stoppedBy = 0;
for (const [signal, number] of /** @type {const} */ ([
  ['SIGINT', 2],
  ['SIGTERM', 15],
])) {
  // Programs like timeout send it twice; the second must not cut short what the first has begun.
  process.on(signal, () => {
    stoppedBy = number;
    stop.abort();
  });
}
const startedMs = performance.now();
/** @param {string} line */
const log = (line) => console.error(`${((performance.now() - startedMs) / 1000).toFixed(0)} s: ${line}`);

const out = /** @type {string} */ (options.out);
mkdirSync(out, { recursive: true });
const fileOf = (/** @type {{ name: string }} */ { name }) => join(out, `${name}.json`);
const left = pieces.filter((piece) => !existsSync(fileOf(piece)));
log(`${pieces.length - left.length} of ${pieces.length} pieces are there`);
if (left.length > 0) await measure();
process.exitCode = stoppedBy === 0 ? 0 : 128 + stoppedBy;

async function measure() {
  let run;
  try {
    run = await openRun({
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
      signal: stop.signal,
      log,
    });
    for (const [index, piece] of left.entries()) {
      const beganMs = performance.now();
      const note = await measurePiece(piece, run, wantedCurves);
      const tookSeconds = ((performance.now() - beganMs) / 1000).toFixed(0);
      log(`${index + 1} of ${left.length}: ${piece.name}, ${tookSeconds} s${note ? `, ${note}` : ''}`);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    log('stopped; the same command goes on');
  } finally {
    await run?.close();
  }
}

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
  const value = Number(options[name]);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${name} must be a whole number from ${least} on, got ${options[name]}.`);
  return value;
}

/** @param {string} text percent saved */
function share(text) {
  const value = Number(text) / 100;
  if (!(value > 0 && value < 1)) throw new Error(`--budgets has percentages of MACs saved, between 0 and 100, got ${text}.`);
  return value;
}
