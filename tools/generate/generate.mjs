import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { backendGenerator } from './kinds/backend.mjs';
import { packageGenerator } from './kinds/package.mjs';
import { policyGenerator } from './kinds/policy.mjs';
import { isKebabCase } from './names.mjs';

/**
 * @typedef {object} Edit a line put into a file that is there already
 * @property {string} path
 * @property {string} before the text in front of which `insert` goes; it must stand there exactly once
 * @property {string} insert
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
  for (const { path, before, insert } of edits) {
    const text = texts[path] ?? readFileSync(join(root, path), 'utf8');
    const count = text.split(before).length - 1;
    if (count !== 1) throw new Error(`${path} should hold ${JSON.stringify(before)} once, it does ${count} times. Mend the generator.`);
    texts[path] = text.replace(before, () => insert + before);
  }
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { written: Object.keys(texts), next };
}
