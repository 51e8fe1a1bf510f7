import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repositoryRoot } from '../workspace/packages.mjs';

// The command line depends on every package, so everything is found from there.
const require = createRequire(join(repositoryRoot, 'apps', 'cli', 'package.json'));

/**
 * Imports a built package by name.
 *
 * @param {string} name
 * @returns {Promise<any>}
 */
export function builtPackage(name) {
  return import(pathToFileURL(require.resolve(name)).href);
}
