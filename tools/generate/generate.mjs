import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { backendGenerator } from './kinds/backend.mjs';
import { packageGenerator } from './kinds/package.mjs';
import { policyGenerator } from './kinds/policy.mjs';
import { isKebabCase } from './names.mjs';

/**
 * @typedef {object} Edit
 * @property {string} path of a file that is there already
 * @property {import('./edits.mjs').Change} change
 *
 * @typedef {object} GenerationPlan
 * @property {Record<string, string>} files path -> text
 * @property {Edit[]} edits
 * @property {string[]} next what the author does then
 *
 * @typedef {object} Generator
 * @property {string} describe
 * @property {(name: string) => GenerationPlan} plan
 */

/** @type {Record<string, Generator>} */
export const generators = { package: packageGenerator, backend: backendGenerator, policy: policyGenerator };

/**
 * Writes a stub that compiles and whose test fails until it does its job. Writes nothing when anything is in the way.
 *
 * @param {string} root
 * @param {string} kind
 * @param {string} name kebab-case
 * @returns {{ written: string[], next: string[] }}
 */
export function generate(root, kind, name) {
  const generator = generators[kind];
  if (!generator) throw new Error(`"${kind}" is nothing that can be generated. Known: ${Object.keys(generators).join(', ')}.`);
  if (!isKebabCase(name)) throw new Error(`"${name}" is not a name: use lower-case words joined by dashes.`);
  const { files, edits, next } = generator.plan(name);

  const taken = Object.keys(files).filter((path) => existsSync(join(root, path)));
  if (taken.length > 0) throw new Error(`${taken[0]} is there already. Choose another name.`);
  /** @type {Record<string, string>} */
  const texts = { ...files };
  for (const { path, change } of edits) {
    const changed = change(texts[path] ?? readFileSync(join(root, path), 'utf8'));
    if (changed === undefined) throw new Error(`${path} is not as the generator expects it. Mend tools/generate/kinds/${kind}.mjs.`);
    texts[path] = changed;
  }
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { written: Object.keys(texts), next };
}
