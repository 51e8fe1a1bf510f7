import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @param {string} root @param {string} name */
function stampPath(root, name) {
  return join(root, '.cache', 'bootstrap', `${name}.json`);
}

/**
 * What was recorded when a step last ended well, or an empty record.
 *
 * @param {string} root
 * @param {string} name
 * @returns {Record<string, string>}
 */
export function readStamp(root, name) {
  try {
    return JSON.parse(readFileSync(stampPath(root, name), 'utf8'));
  } catch {
    return {};
  }
}

/** @param {string} root @param {string} name @param {Record<string, string>} record */
export function writeStamp(root, name, record) {
  mkdirSync(join(root, '.cache', 'bootstrap'), { recursive: true });
  writeFileSync(stampPath(root, name), `${JSON.stringify(record)}\n`);
}
