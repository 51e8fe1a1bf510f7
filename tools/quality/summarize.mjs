import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from './files.mjs';
import { OURS } from './policies.mjs';

export const SCHEMA = 'gateskip.quality/1';

/**
 * All numbers of a run without its items: what is kept in the repository.
 *
 * @param {string} out folder that report.mjs filled
 * @param {any} evaluation package `evaluate`
 */
export function summarize(out, evaluation) {
  return compact({ schema: SCHEMA, ...gather(out, evaluation, OURS), profile: profileOf(join(out, 'profile.json')) });
}

/**
 * What reports have in common.
 *
 * @param {string} out folder @param {any} evaluation package `evaluate` @param {string} ours curve that the others are compared with
 */
export function gather(out, evaluation, ours) {
  const files = readdirSync(out)
    .filter((name) => /^(texts|own|tasks|speed)-[^/]*\.json$/.test(name))
    .sort();
  const read = Object.fromEntries(files.map((name) => [name.slice(0, -5), readJson(join(out, name))]));
  const entries = Object.entries(read).map(([name, file]) => ({ name, ...file }));
  const settings = readJson(join(out, 'settings.json'));
  if (settings === undefined) throw new Error(`${out} has no settings.json: report.mjs has not run there.`);
  const first = entries.find(({ results }) => results !== undefined)?.results;
  if (first === undefined) throw new Error(`${out} has no results yet.`);
  const anyTasks = entries.find(({ piece, results }) => piece.part === 'tasks' && results)?.results;
  const anyText = entries.find(({ piece, results }) => piece.part === 'texts' && results)?.results;
  const anyOwn = entries.find(({ piece, results }) => piece.part === 'own' && results)?.results;
  const points = pointsOf(entries, read, evaluation);
  return {
    created: entries
      .map(({ results }) => results?.created ?? '')
      .sort()
      .at(-1),
    model: first.model,
    adapter: first.adapter,
    machine: readJson(join(out, 'machine.json')),
    settings,
    texts: { text: anyText?.texts.perplexity ?? null, own: anyOwn?.texts.agreement ?? null },
    data: Object.fromEntries(
      Object.entries(anyTasks?.data ?? {}).map(([name, { items, records, sha256, itemsSha256, metrics }]) => [
        name,
        { items, records, sha256, itemsSha256, metric: metrics[0] },
      ]),
    ),
    dense: denseOf(read),
    points,
    against: againstOurs(points, read, evaluation, ours),
  };
}

function denseOf(read) {
  const text = read['texts-dense']?.results.runs[0].perplexity;
  const tasks = read['tasks-dense']?.results.runs[0].tasks;
  const own = read['own-dense']?.perplexity;
  return {
    perplexity: text ? { value: text.perToken, error: text.standardError } : null,
    tasks: tasks ? tasksOf(tasks, read['tasks-dense'].results) : null,
    ...(own && { ownPerplexity: perplexityOf(own) }),
  };
}

/** @returns a task's first metric */
function tasksOf(tasks, { data }, paired = {}) {
  return Object.fromEntries(
    Object.entries(tasks).map(([name, { metrics, standardErrors, held }]) => {
      const metric = data[name].metrics[0];
      return [
        name,
        { value: metrics[metric], error: standardErrors[metric], saved: 1 - held.net, ...(paired[name] && { againstDense: paired[name] }) },
      ];
    }),
  );
}

function pointsOf(entries, read, evaluation) {
  const points = new Map();
  for (const { piece, found, unreached, reason, results, perplexity } of entries) {
    if (piece.part === 'speed' || piece.curve === undefined) continue;
    const key = `${piece.curve.name} ${piece.saved}`;
    const point = points.get(key) ?? { policy: piece.curve.name, target: piece.saved };
    points.set(key, point);
    if (unreached) {
      point.unreached = true;
      if (reason) point.reason = reason;
      continue;
    }
    point.asked = found.ask;
    const [run] = results.runs;
    if (piece.part === 'texts') {
      point.agreement = agreementOf(run.agreement);
      const { perToken, standardError, held } = run.perplexity;
      point.perplexity = { value: perToken, error: standardError, saved: 1 - held.net };
    } else if (piece.part === 'own') {
      point.own = agreementOf(run.agreement);
      // The same thresholds, so the same rows: what was saved is told by those of the answers here too.
      if (perplexity) point.ownPerplexity = { ...perplexityOf(perplexity), saved: point.own.saved };
    } else {
      const dense = read['tasks-dense']?.results;
      const paired = dense ? pairedTasks(results, dense, evaluation) : {};
      point.tasks = tasksOf(run.tasks, results, paired);
    }
  }
  for (const { piece, unreached, results } of entries) {
    if (piece.part !== 'speed' || unreached) continue;
    for (const { label, speed } of results.runs) {
      const point = points.get(`${label} ${piece.saved}`) ?? (label !== 'dense' && { policy: label, target: piece.saved });
      if (!point || !speed) continue;
      points.set(`${label} ${piece.saved}`, point);
      const { prefill, decode, prefillOverDense, decodeOverDense, prefillHeld, decodeHeld } = speed;
      const dense = results.runs[0].speed;
      point.speed = {
        prefill: prefill.median,
        decode: decode.median,
        densePrefill: dense.prefill.median,
        denseDecode: dense.decode.median,
        prefillOverDense,
        decodeOverDense,
        prefillSaved: 1 - prefillHeld.net,
        decodeSaved: 1 - decodeHeld.net,
      };
    }
  }
  return [...points.values()];
}

/** Its standard error is that of the mean over windows, as long as each other. */
function perplexityOf({ windows, held }) {
  const means = windows.map(({ sums, tokens }) => sums.nll / tokens);
  const mean = means.reduce((sum, value) => sum + value, 0) / means.length;
  const variance = means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, means.length - 1);
  const value = Math.exp(mean);
  return { value, error: value * Math.sqrt(variance / means.length), saved: 1 - held.net };
}

/** What was saved is told of the rows that are compared; where these are not all, of all besides. */
function agreementOf({ kl, top1, standardErrors, held, heldCompared }) {
  return {
    kl,
    klError: standardErrors.kl,
    top1,
    top1Error: standardErrors.top1,
    saved: 1 - (heldCompared ?? held).net,
    ...(heldCompared && { savedOfAll: 1 - held.net }),
  };
}

/** Differences `a - b` of first metrics, by task. */
function pairedTasks(a, b, evaluation) {
  const [{ metrics }] = evaluation.compareResults(a, b);
  const found = {};
  for (const { task, metric, paired } of metrics) {
    if (a.data[task]?.metrics[0] === metric) found[task] = { difference: paired.difference, low: paired.low, high: paired.high };
  }
  return found;
}

/** Of every policy under every budget: its number minus ours, on the same windows and items. */
function againstOurs(points, read, evaluation, ours) {
  const found = [];
  for (const { policy, target } of points) {
    if (policy === ours) continue;
    const nameOf = (name, part) => `${part}-${name.replaceAll(/[^a-z0-9]+/g, '-')}-${Math.round(1000 * target) / 10}`;
    const pairOf = (part) => [read[nameOf(policy, part)], read[nameOf(ours, part)]];
    const row = { policy, target };
    const [texts, ourTexts] = pairOf('texts').map((file) => file?.results);
    const perToken = (what) => (windows) =>
      windows.reduce((sum, { sums }) => sum + sums[what], 0) / windows.reduce((sum, { tokens }) => sum + tokens, 0);
    const paired = (a, b, what) => {
      const { difference, low, high } = evaluation.pairedBootstrap(a, b, perToken(what), 1);
      return { difference, low, high };
    };
    if (texts && ourTexts) {
      const [a, b] = [texts.runs[0], ourTexts.runs[0]];
      for (const [metric, what, part] of [
        ['kl', 'kl', 'agreement'],
        ['top1', 'top1', 'agreement'],
        ['logPerplexity', 'nll', 'perplexity'],
      ])
        row[metric] = paired(a[part].windows, b[part].windows, what);
    }
    const [own, ourOwn] = pairOf('own');
    if (own?.results && ourOwn?.results)
      row.own = paired(own.results.runs[0].agreement.windows, ourOwn.results.runs[0].agreement.windows, 'kl');
    if (own?.perplexity && ourOwn?.perplexity) row.ownLogPerplexity = paired(own.perplexity.windows, ourOwn.perplexity.windows, 'nll');
    const [tasks, ourTasks] = pairOf('tasks').map((file) => file?.results);
    if (tasks && ourTasks) {
      Object.assign(row, pairedTasks(tasks, ourTasks, evaluation));
      row.meanOfTasks = meanDifference(tasks, ourTasks, evaluation);
    }
    if (Object.keys(row).length > 2) found.push(row);
  }
  return found;
}

/** Of the mean over tasks: tasks are independent, so their variances add up. */
function meanDifference(a, b, evaluation) {
  const [{ metrics }] = evaluation.compareResults(a, b);
  const firsts = metrics.filter(({ task, metric }) => a.data[task]?.metrics[0] === metric).map(({ paired }) => paired);
  const difference = firsts.reduce((sum, paired) => sum + paired.difference, 0) / firsts.length;
  const error = Math.sqrt(firsts.reduce((sum, paired) => sum + paired.standardError ** 2, 0)) / firsts.length;
  return { difference, low: difference - 1.96 * error, high: difference + 1.96 * error };
}

function profileOf(path) {
  if (!existsSync(path)) return null;
  const { blockInfluence, removalKl, relativeNorms, text } = readJson(path);
  return { text, blockInfluence, removalKl, relativeNorms };
}

/** Five digits are more than any of this is sure of. @param {any} value @returns {any} */
export function compact(value) {
  if (typeof value === 'number') return Number.isInteger(value) ? value : Number(value.toPrecision(5));
  if (Array.isArray(value)) return value.map(compact);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, compact(part)]));
  return value;
}
