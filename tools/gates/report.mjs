// Measures what trained adapters are worth: curves of adapter and policy, beside the model without any adapter.
//
//   node tools/gates/report.mjs --config tools/gates/curves.json --model MODEL --data DIR --text FILE --out DIR [--items 500]
//     [--text-tokens 8192] [--own-tokens 2048] [--window 512] [--curves a;b] [--budgets 0,15,25] [--parts texts,own,anchors,tasks,speed]
//     [--speed-rounds 3] [--threads N] [--renew] [--plan]
//   node tools/gates/render.mjs --out DIR
//
// Needs built packages (npm run setup). --config names curves, their adapter files and the run folders of their training; curves
// whose file is absent are left out and named on the page. --data is a folder with <task>/<split>.jsonl. Results are a file a
// piece in --out; stopped or killed, the same command goes on, also with more curves in the configuration. --renew measures again what
// was measured with another adapter file than the configuration names now. --plan prints the pieces.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readJson, writeJson } from '../quality/files.mjs';
import { measurePiece } from '../quality/measure-piece.mjs';
import { openRun } from '../quality/open-run.mjs';
import { shareOption, wholeOption } from '../quality/option-values.mjs';
import { pieceRunner } from '../quality/run-pieces.mjs';
import { adapterSessions, keepAdapter, openCurve } from './adapter-session.mjs';
import { measureAnchors } from './measure-anchors.mjs';
import { readConfig } from './read-config.mjs';
import { forgetPoints, stalePoints } from './stale-pieces.mjs';
import { readTraining } from './training-log.mjs';
import { PARTS, SAVINGS, workList } from './work-list.mjs';

/** What one adapter or its calibration cannot do; the others are measured all the same. */
const REFUSALS = ['GS_UNSUPPORTED', 'GS_POLICY_NEEDS'];

const { values: options } = parseArgs({
  options: {
    config: { type: 'string' },
    model: { type: 'string' },
    data: { type: 'string' },
    text: { type: 'string' },
    out: { type: 'string' },
    items: { type: 'string', default: '500' },
    'text-tokens': { type: 'string', default: '8192' },
    'own-tokens': { type: 'string', default: '2048' },
    window: { type: 'string', default: '512' },
    curves: { type: 'string' },
    budgets: { type: 'string' },
    parts: { type: 'string', default: PARTS.join(',') },
    'speed-rounds': { type: 'string', default: '3' },
    threads: { type: 'string' },
    renew: { type: 'boolean', default: false },
    plan: { type: 'boolean', default: false },
  },
});
for (const needed of /** @type {const} */ (['config', 'model', 'text', 'out'])) if (!options[needed]) throw new Error(`Give --${needed}.`);
const parts = new Set(options.parts.split(','));
for (const part of parts) if (!PARTS.includes(part)) throw new Error(`There is no part ${part}. Known: ${PARTS.join(', ')}.`);
if (parts.has('tasks') && !options.data) throw new Error('Give --data, or leave tasks out of --parts.');
const config = readConfig(/** @type {string} */ (options.config));
const wanted = options.curves?.split(';');
for (const name of wanted ?? [])
  if (!config.curves.some((curve) => curve.name === name)) throw new Error(`There is no curve "${name}" with an adapter file.`);
const curves = config.curves.filter(({ name }) => wanted === undefined || wanted.includes(name));
const savings = options.budgets?.split(',').map((text) => shareOption(text, 0)) ?? SAVINGS;
const pieces = workList({ curves, ours: config.ours }, { savings, parts });

const out = /** @type {string} */ (options.out);
const { signal, log, runPieces } = pieceRunner();
for (const { name, missing } of config.absent)
  log(`left out: ${name}${missing.includes('any') ? '' : ` at ${missing.join(', ')} %`} (no adapter file)`);
if (options.plan) for (const { name } of pieces) console.log(name);
else {
  mkdirSync(out, { recursive: true });
  const stale = findStale();
  // What a backend refused is tried again: it may have been built anew.
  for (const { name } of pieces) if (readJson(join(out, `${name}.json`))?.reason) rmSync(join(out, `${name}.json`));
  const { ours, judged, absent } = config;
  const about = config.curves.map(({ name, policy, about: text, files }) => ({ name, policy, about: text, savings: Object.keys(files) }));
  // Curves with one adapter begin at one point: nothing skipped.
  const starts = Object.fromEntries(
    config.curves.map(({ name, files }) => [
      name,
      config.curves.find((each) => each.files.any && each.files.any === files.any)?.name ?? name,
    ]),
  );
  writeJson(join(out, 'curves.json'), { ours, judged, curves: about, absent, starts, training: readTraining(config.training) });
  await runPieces(pieces, out, {
    isStale: ({ name }) => stale.files.has(`${name}.json`),
    open: async (left) => {
      const sessions = await openAll(left);
      // Not before: a run that does not fit the folder must leave it as it is.
      forgetPoints(out, stale);
      return sessions;
    },
    measure: measureOne,
  });
}

/** A point is measured with one file only: its text and its tasks are of one adapter. Looked at over all parts and budgets. */
function findStale() {
  const stale = stalePoints(out, workList(config));
  const names = stale.keys.join(', ');
  if (names && !options.renew)
    throw new Error(`${out} was measured with another adapter file: ${names}. Give --renew to measure that again, or another --out.`);
  if (names) log(`measured with another adapter file, to be forgotten: ${names}`);
  return stale;
}

/** @param {readonly any[]} left */
async function openAll(left) {
  const material = await openRun({
    model: /** @type {string} */ (options.model),
    adapter: null,
    data: options.data ?? '',
    text: /** @type {string} */ (options.text),
    items: whole('items', 1),
    textTokens: whole('text-tokens', 2),
    ownTokens: whole('own-tokens', 1),
    window: whole('window', 2),
    threads: options.threads === undefined ? undefined : whole('threads', 1),
    speedRounds: whole('speed-rounds', 1),
    out,
    needsTasks: left.some(({ part }) => part === 'tasks'),
    signal,
    log,
  });
  return adapterSessions(material);
}

/** @param {any} piece @param {ReturnType<typeof adapterSessions>} sessions */
async function measureOne(piece, sessions) {
  try {
    return await measureWith(piece, await sessions.of(piece.file));
  } catch (error) {
    if (piece.file === undefined || !REFUSALS.includes(/** @type {any} */ (error).code)) throw error;
    const { file: _, ...named } = piece;
    const reason = /** @type {Error} */ (error).message;
    writeJson(join(out, `${piece.name}.json`), { piece: named, unreached: true, reason });
    return `refused: ${reason}`;
  }
}

/** @param {any} piece @param {any} run @returns {Promise<string>} */
async function measureWith(piece, run) {
  keepAdapter(out, piece, run.adapter);
  if (piece.part === 'anchors') return measureAnchors(piece, run);
  const { file: _, curves: own, ...rest } = piece;
  const opened = rest.curve ? { ...rest, curve: openCurve(rest.curve, run.adapter) } : rest;
  return measurePiece(
    opened,
    run,
    (own ?? []).map((/** @type {any} */ curve) => openCurve(curve, run.adapter)),
  );
}

/** @param {keyof typeof options} name @param {number} least */
function whole(name, least) {
  return wholeOption(name, options[name], least);
}
