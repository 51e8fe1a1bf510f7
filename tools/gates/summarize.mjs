import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '../quality/files.mjs';
import { compact, gather } from '../quality/summarize.mjs';
import { anchorsOf } from './anchors.mjs';

export const SCHEMA = 'gateskip.gates/1';

/**
 * All numbers of a run without its items: what is kept in the repository.
 *
 * @param {string} out folder that report.mjs filled
 * @param {any} evaluation package `evaluate`
 * @param {{ tokenClass: (text: string, position: number) => string }} observe package `observe`
 */
export function summarizeGates(out, evaluation, observe) {
  const named = readJson(join(out, 'curves.json'));
  if (named === undefined) throw new Error(`${out} has no curves.json: tools/gates/report.mjs has not run there.`);
  const { adapter: _, points, ...rest } = gather(out, evaluation, named.ours);
  const measured = new Set(points.map((/** @type {any} */ { policy }) => policy));
  const { training, ...curves } = named;
  const anchors = readdirSync(out)
    .filter((name) => /^anchors-[^/]*\.json$/.test(name))
    .map((name) => readJson(join(out, name)))
    .filter(({ unreached }) => !unreached)
    .map((file) => anchorsOf(file, observe.tokenClass));
  return compact({
    schema: SCHEMA,
    ...rest,
    ...curves,
    curves: curves.curves.filter((/** @type {any} */ { name }) => measured.has(name)),
    unmeasured: curves.curves.flatMap((/** @type {any} */ { name }) => (measured.has(name) ? [] : [name])),
    adapters: adaptersOf(join(out, 'adapters.json')),
    points,
    anchors,
    training,
  });
}

/** One entry a file, with the points that are of it. @param {string} path */
function adaptersOf(path) {
  if (!existsSync(path)) return [];
  /** @type {Map<string, any>} */
  const byFile = new Map();
  for (const [key, { sha256, adapter }] of Object.entries(/** @type {Record<string, any>} */ (readJson(path)))) {
    const known = byFile.get(sha256) ?? { sha256, ...adapter, curves: {} };
    byFile.set(sha256, known);
    const at = key.lastIndexOf(' ');
    const name = key.slice(0, at);
    known.curves[name] = [...(known.curves[name] ?? []), Number(key.slice(at + 1))].sort((a, b) => a - b);
  }
  return [...byFile.values()];
}
