import { join } from 'node:path';
import { readJson, writeJson } from '../quality/files.mjs';
import { fileHash } from '../quality/open-run.mjs';
import { isSame, pointKey } from './stale-pieces.mjs';

/**
 * One adapter at a time on a runner of its own, beside the dense model: what is measured with one is measured before the next
 * is opened, so memory holds two models whatever the number of adapters.
 *
 * @param {any} material of `openRun` without an adapter
 */
export function adapterSessions(material) {
  /** @type {{ file: string, run: any, engine: any } | undefined} */
  let current;
  const closeCurrent = async () => {
    const { engine } = current ?? {};
    current = undefined;
    await engine?.close();
  };
  return {
    /** @param {string | undefined} file none: dense */
    async of(file) {
      if (file === undefined) return material;
      if (current?.file === file) return current.run;
      await closeCurrent();
      const adapter = await material.openAdapter(file);
      const engine = await material.openEngine(adapter);
      current = { file, engine, run: { ...material, adapter, runner: engine.runner, denseRunner: material.runner } };
      return current.run;
    },
    async close() {
      await closeCurrent();
      await material.close();
    },
  };
}

/**
 * Notes which file a curve was measured with. Results of another file are not mixed with it.
 *
 * @param {string} out folder @param {any} piece @param {any} adapter
 */
export function keepAdapter(out, { file, curve, curves, saved }, adapter) {
  if (file === undefined) return;
  const path = join(out, 'adapters.json');
  const known = readJson(path) ?? {};
  const sha256 = fileHash(file);
  for (const { name, policy, options } of curves ?? [curve]) {
    const key = pointKey({ name }, saved);
    const identity = { sha256, policy, options: options ?? null };
    const before = known[key];
    if (before === undefined) known[key] = { ...identity, adapter: describeAdapter(adapter) };
    else if (!isSame(before, identity)) throw new Error(`${path}: ${key} was measured with another file or policy. Give --renew.`);
  }
  writeJson(path, known);
}

/** @param {any} adapter */
function describeAdapter({ name, provenance, gates, backbone, calibration }) {
  const { variant, sharing, position, multiplies } = gates.spec;
  return {
    name,
    provenance,
    gates: { variant, sharing, position, multiplies },
    hasStandIns: gates.standIns !== undefined,
    lora: backbone?.lora ? { rank: backbone.lora.rank, matrices: backbone.lora.matrices.length } : null,
    norms: backbone?.norms?.size ?? 0,
    kv: calibration.kv,
    pinnedTokens: calibration.pinnedTokens,
    protectedBranches: calibration.protectedBranches.length,
  };
}

/**
 * The branches that a repaired adapter leaves out: static gates that are shut. What they save is what it is.
 *
 * @param {any} adapter @returns {number[]}
 */
export function droppedBranches({ name, gates }) {
  const isConstant = (/** @type {any} */ { weight }) => weight?.every((/** @type {number} */ value) => value === 0) === true;
  if (gates.spec.variant !== 'scalar' || !gates.gates.every(isConstant))
    throw new Error(`Adapter ${name} has gates that look at tokens: policy static is for adapters of recipe repair.`);
  const dropped = gates.gates.flatMap((/** @type {any} */ { bias }, /** @type {number} */ branch) => (bias[0] < 0 ? [branch] : []));
  if (dropped.length === 0) throw new Error(`Adapter ${name} drops no branch.`);
  return dropped;
}

/** A curve as it is asked of `evaluate`. @param {any} curve @param {any} adapter */
export function openCurve(curve, adapter) {
  if (curve.policy !== 'static') return curve;
  return { ...curve, options: { ...curve.options, branches: droppedBranches(adapter) }, isFixed: true };
}
