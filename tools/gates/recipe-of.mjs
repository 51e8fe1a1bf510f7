import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const recipes = join(import.meta.dirname, '..', '..', 'packages', 'train', 'src', 'recipes');

/**
 * The built-in recipe of an entry with its changes; objects are changed field by field, all else is replaced, and so are gates that start another
 * way, whose fields are others.
 *
 * @param {{ name: string, recipe?: string, changes?: object, drop?: number }} entry
 */
export function recipeOf({ name, recipe = 'minutes', changes = {}, drop }) {
  const plain = JSON.parse(readFileSync(join(recipes, `${recipe}.json`), 'utf8'));
  const dropped = drop === undefined ? {} : { skip: { drop: { count: drop, by: 'influence' } } };
  return { ...merge(merge(plain, dropped), changes), name: recipe === name ? recipe : `${recipe}: ${name}` };
}

/** @param {any} to @param {any} changes @returns {any} */
function merge(to, changes) {
  const isObject = (/** @type {unknown} */ value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(to) || !isObject(changes)) return changes;
  if (typeof changes.start === 'string' && changes.start !== to.start) return changes;
  return Object.fromEntries(
    [...new Set([...Object.keys(to), ...Object.keys(changes)])].map((key) => [
      key,
      key in changes ? merge(to[key], changes[key]) : to[key],
    ]),
  );
}
