import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeJson } from '../quality/files.mjs';
import { fileHash } from '../quality/open-run.mjs';
import { pointName } from '../quality/policies.mjs';

/**
 * The points of a folder that were measured with another file than the configuration names now, or under another policy.
 *
 * @param {string} out folder
 * @param {readonly { file?: string, curve?: any, curves?: readonly any[], saved?: number }[]} pieces
 * @returns {{ keys: string[], files: Set<string> }} points as `pointKey` calls them, and the files in the folder that belong to them
 */
export function stalePoints(out, pieces) {
  const known = readJson(join(out, 'adapters.json')) ?? {};
  /** @type {Map<string, string>} */
  const hashes = new Map();
  /** @type {Map<string, string>} */
  const stale = new Map();
  for (const { file, curve, curves, saved } of pieces) {
    if (file === undefined || saved === undefined) continue;
    if (!hashes.has(file)) hashes.set(file, fileHash(file));
    for (const each of curves ?? [curve]) {
      const key = pointKey(each, saved);
      const before = known[key];
      if (before && !isSame(before, { sha256: hashes.get(file), ...each })) stale.set(key, pointName(each, saved));
    }
  }
  const ends = [...stale.values()];
  const files = (existsSync(out) ? readdirSync(out) : []).filter((file) => {
    const [, point] = /^[a-z]+-(.+?)\.(?:json|svg|json\.journal\.jsonl)$/.exec(file) ?? [];
    return point !== undefined && ends.includes(point);
  });
  return { keys: [...stale.keys()], files: new Set(files) };
}

/** Forgets points, so that they are measured again. @param {string} out folder @param {ReturnType<typeof stalePoints>} points */
export function forgetPoints(out, { keys, files }) {
  if (keys.length === 0) return;
  for (const file of files) rmSync(join(out, file), { force: true });
  for (const name of ['adapters.json', 'asks.json']) {
    const path = join(out, name);
    const known = readJson(path);
    if (!known) continue;
    for (const key of keys) delete known[key];
    writeJson(path, known);
  }
}

/** What `adapters.json` and `asks.json` call a point. @param {{ name: string }} curve @param {number} saved */
export const pointKey = ({ name }, saved) => `${name} ${saved}`;

/** @param {any} one @param {any} other */
export const isSame = (one, other) =>
  one.sha256 === other.sha256 &&
  one.policy === other.policy &&
  JSON.stringify(one.options ?? null) === JSON.stringify(other.options ?? null);
