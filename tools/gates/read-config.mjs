import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pointName } from '../quality/policies.mjs';

/**
 * A curve of the report: an adapter file under a policy.
 *
 * @typedef {object} GatesCurve
 * @property {string} name
 * @property {string} policy of `@gateskip/scheduler`; `static`: exactly the branches that a repaired adapter leaves out
 * @property {Record<string, unknown>} [options] of the policy
 * @property {string} about
 * @property {Readonly<Record<string, string>>} files by percentage saved; `any`: one file for all
 *
 * @typedef {object} GatesConfig
 * @property {string} ours curve that the others are compared with
 * @property {string} judged curve that the aims are about; default: ours
 * @property {readonly GatesCurve[]} curves those with a file
 * @property {readonly { name: string, about: string, missing: readonly string[] }[]} absent curves, and savings of curves, without one
 * @property {readonly { name: string, run: string }[]} training
 */

const NAMES = new Set(['name', 'adapter', 'adapters', 'policy', 'options', 'about']);

/** Paths are relative to the file. @param {string} path @returns {GatesConfig} */
export function readConfig(path) {
  const fail = (/** @type {string} */ what) => new Error(`${path}: ${what}`);
  /** @type {any} */
  let config;
  try {
    config = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw fail(/** @type {Error} */ (error).message);
  }
  if (!Array.isArray(config?.curves) || config.curves.length === 0) throw fail('it has no curves.');
  const at = (/** @type {string} */ file) => resolve(dirname(path), file);
  /** @type {GatesCurve[]} */
  const curves = [];
  const absent = [];
  const fileNames = new Set();
  for (const curve of config.curves) {
    for (const name of Object.keys(curve)) if (!NAMES.has(name)) throw fail(`curve ${curve.name} has ${name}, which is not known.`);
    const { name, policy, about = '', options, adapter, adapters } = curve;
    if (typeof name !== 'string' || !/^[a-z0-9]/.test(name) || name === 'dense' || typeof policy !== 'string')
      throw fail(`curve ${JSON.stringify(name)} needs a name of its own in small letters and a policy.`);
    if ((adapter === undefined) === (adapters === undefined)) throw fail(`curve ${name} needs adapter, or adapters by percentage.`);
    const fileName = pointName({ name }, 0);
    if (fileNames.has(fileName)) throw fail(`two curves are called alike: ${name}.`);
    fileNames.add(fileName);
    const given = adapters ?? { any: adapter };
    const named = Object.entries(given).map(([saved, file]) => /** @type {const} */ ([saved, at(String(file))]));
    const there = named.filter(([, file]) => existsSync(file));
    const missing = named.filter(([, file]) => !existsSync(file)).map(([saved]) => saved);
    if (there.length > 0) curves.push({ name, policy, about, ...(options && { options }), files: Object.fromEntries(there) });
    if (missing.length > 0) absent.push({ name, about, missing });
  }
  const ours = config.ours ?? config.curves[0].name;
  if (!config.curves.some((/** @type {any} */ { name }) => name === ours)) throw fail(`ours is ${ours}, which is no curve.`);
  const training = (config.training ?? []).map((/** @type {any} */ { name, run }) => ({ name, run: at(run) }));
  const judged = config.judged ?? ours;
  if (!config.curves.some((/** @type {any} */ { name }) => name === judged)) throw fail(`judged is ${judged}, which is no curve.`);
  return { ours, judged, curves, absent, training };
}

/** The adapter of a curve for a saving. @param {GatesCurve} curve @param {number} saved @returns {string | undefined} */
export const fileOf = ({ files }, saved) => files.any ?? files[String(Math.round(1000 * saved) / 10)];
