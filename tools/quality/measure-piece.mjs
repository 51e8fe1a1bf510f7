import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeJson } from './files.mjs';
import { findAsk } from './find-ask.mjs';
import { OWN_WINDOW } from './open-run.mjs';
import { ownPerplexity } from './own-perplexity.mjs';

/** Of the windows of the text, every so many-th is read when looking for what to ask for. */
const PROBE_EVERY = 4;

/**
 * Does one piece of work and writes its file.
 *
 * @param {import('./work-list.mjs').Piece} piece
 * @param {import('./open-run.mjs').OpenRun} run
 * @param {readonly import('./policies.mjs').Curve[]} curves for `speed`
 */
export async function measurePiece(piece, run, curves) {
  const { options } = run;
  const { part, curve, saved } = piece;
  const file = join(options.out, `${piece.name}.json`);
  const journalPath = `${file}.journal.jsonl`;
  const isRun = part === 'speed';
  const found = curve === undefined || isRun ? undefined : await askOf(curve, /** @type {number} */ (saved), run);
  if (curve !== undefined && found === undefined) {
    writeJson(file, { piece, unreached: true });
    return 'out of reach';
  }
  const settings = isRun
    ? [{}, ...curves.filter(({ oracle }) => !oracle).map((each) => settingOf(each, /** @type {number} */ (saved), run))]
    : [curve === undefined ? {} : settingOf(curve, /** @type {{ ask: number }} */ (found).ask, run)];
  const { text, own } = run;
  const window = options.window;
  const whole = {
    model: run.model,
    runner: run.runner,
    ...(run.denseRunner && { denseRunner: run.denseRunner }),
    runs: settings,
    seed: run.seed,
    journalPath,
    signal: options.signal,
    speed: { rounds: isRun ? options.speedRounds : 0 },
    ...(curve?.oracle && { textScores: scoringOf(curve, run) }),
    ...(part === 'tasks' && { tasks: run.tasks }),
    ...(part === 'texts' && { perplexity: { text, window, stride: window - 1 }, ...(curve && { agreement: { text, window } }) }),
    // Nobody reads what is predicted within a prompt: from the row on that predicts the answer's first token.
    ...(part === 'own' && {
      agreement: { text: own, window: OWN_WINDOW, scoredFrom: own.answers.map((/** @type {number} */ at) => at - 1) },
    }),
  };
  const results = await evaluateOnce(whole, run);
  const perplexity = part === 'own' && piece.hasPerplexity && (await ownPerplexity(settings[0] ?? {}, run));
  writeJson(file, { piece, ...(found && { found }), results, ...(perplexity && { perplexity }) });
  rmSync(journalPath, { force: true });
  return found ? `asked ${percent(found.ask)} for ${percent(/** @type {number} */ (saved))}` : '';
}

/** A journal that no longer fits (another number of threads, say) costs one piece, not the run. */
async function evaluateOnce(options, { evaluation }) {
  try {
    return await evaluation.evaluate(options);
  } catch (error) {
    if (!(error instanceof evaluation.JournalMismatchError)) throw error;
    rmSync(options.journalPath, { force: true });
    return evaluation.evaluate(options);
  }
}

/** @param {import('./policies.mjs').Curve} curve @param {number} ask share saved; 0: nothing skipped, which any gates can */
function settingOf({ name, policy, options, profile }, ask, run) {
  if (ask === 0) return { label: name, policy: 'global-threshold', budget: { skip: 0 } };
  return {
    label: name,
    policy,
    budget: { net: 1 - ask },
    ...(options && { policyOptions: options }),
    ...(profile && { profile: run.profile }),
  };
}

/** What to ask for, found once for each curve and saving. @returns {Promise<import('./find-ask.mjs').Found | undefined>} */
async function askOf(curve, saved, run) {
  if (saved === 0) return { ask: 0, held: 0, probes: 0 };
  const path = join(run.options.out, 'asks.json');
  const key = `${curve.name} ${saved}`;
  const known = readJson(path) ?? {};
  if (key in known) return known[key] ?? undefined;
  const measure = (/** @type {number} */ ask) => savedByAsking(curve, ask, run);
  const found = await findAsk(saved, measure, curve.isFixed ? { mostProbes: 1 } : {});
  writeJson(path, { ...known, [key]: found ?? null });
  return found;
}

/** @returns {Promise<number | undefined>} share saved on some windows of the text; undefined where the policy cannot go so far */
async function savedByAsking(curve, ask, run) {
  const { scheduler, evaluation, runner, adapter, options, text, limits } = run;
  let policy;
  try {
    policy = scheduler.createPolicy(curve.policy, {
      shape: runner.config,
      budget: { net: 1 - ask },
      gates: adapter.gates.spec,
      standInMacs: run.standInMacs,
      ...(adapter.calibration && { calibration: adapter.calibration }),
      ...(curve.options && { options: curve.options }),
      ...(curve.profile && { profile: run.profile }),
    });
  } catch (error) {
    if (error instanceof scheduler.UnreachableBudgetError) return undefined;
    throw error;
  }
  const groups = [];
  for (let start = 0; start < text.tokens.length; start += PROBE_EVERY * options.window) {
    const tokens = text.tokens.subarray(start, start + options.window);
    groups.push({ texts: [{ tokens, scoredFrom: tokens.length - 1 }] });
  }
  const textScores = curve.oracle ? scoringOf(curve, run) : undefined;
  let [macs, denseMacs] = [0, 0];
  for await (const { usage } of evaluation.scoreGroups(groups, { runner, policy, limits, textScores, signal: options.signal })) {
    macs += usage.macs;
    denseMacs += usage.denseMacs;
  }
  return 1 - macs / denseMacs;
}

/** Scores that an oracle had before: the same texts come back under every budget. */
const remembered = new Map();
const MOST_REMEMBERED_BYTES = 512 * 1024 * 1024;
let rememberedBytes = 0;

/** @param {import('./policies.mjs').Curve} curve @returns {(tokens: Int32Array) => Promise<Float32Array>} */
function scoringOf({ knowsStandIns = false }, { train, runner, adapter, options }) {
  const d = runner.config.hiddenSize;
  const vectors = knowsStandIns ? adapter.gates.standIns : undefined;
  const standIns = vectors && new Float32Array(vectors.length * d);
  for (const [branch, vector] of (vectors ?? []).entries()) standIns.set(vector, branch * d);
  return async (tokens) => {
    const key = `${knowsStandIns} ${tokens.join(' ')}`;
    const before = remembered.get(key);
    if (before) return before;
    const scores = await train.updateScores({ runner, tokens, signal: options.signal, ...(standIns && { standIns }) });
    rememberedBytes += scores.byteLength + 2 * key.length;
    if (rememberedBytes <= MOST_REMEMBERED_BYTES) remembered.set(key, scores);
    return scores;
  };
}

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(1)} %`;
