import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** @param {string} path @returns {any} undefined where there is none */
export function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Whole or not at all, whenever the process ends. @param {string} path @param {string} text */
export function writeWhole(path, text) {
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, text);
  renameSync(part, path);
}

/** @param {string} path @param {unknown} value */
export function writeJson(path, value) {
  writeWhole(path, `${JSON.stringify(value)}\n`);
}

/**
 * Settings that all files of a folder share: written once, and refused where they are others.
 *
 * @param {string} path
 * @param {Record<string, unknown>} settings
 */
export function keepSettings(path, settings) {
  const before = readJson(path);
  if (before === undefined) return writeJson(path, settings);
  const wanted = JSON.parse(JSON.stringify(settings));
  const names = new Set([...Object.keys(before), ...Object.keys(wanted)]);
  const changed = [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(wanted[name]));
  if (changed.length > 0)
    throw new Error(`${path} is of another run: ${changed.join(', ')} changed. Give another --out, or take the folder away.`);
}
