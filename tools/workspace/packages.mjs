import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's own folder. */
export const repositoryRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * @typedef {object} WorkspacePackage
 * @property {string} name as in package.json
 * @property {string} folder absolute
 * @property {string} relativeFolder `packages/gate`
 * @property {'packages' | 'apps'} kind
 * @property {any} manifest package.json, parsed
 */

/**
 * Every workspace package, by folder name.
 *
 * @param {string} [root]
 * @returns {WorkspacePackage[]}
 */
export function workspacePackages(root = repositoryRoot) {
  /** @type {WorkspacePackage[]} */
  const found = [];
  for (const kind of /** @type {const} */ (['packages', 'apps'])) {
    if (!existsSync(join(root, kind))) continue;
    for (const folderName of readdirSync(join(root, kind)).sort()) {
      const folder = join(root, kind, folderName);
      if (!existsSync(join(folder, 'package.json'))) continue;
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      found.push({ name: manifest.name, folder, relativeFolder: `${kind}/${folderName}`, kind, manifest });
    }
  }
  return found;
}

/**
 * What a package publishes as importable: subpath -> built file and declarations, relative to its folder.
 *
 * @param {WorkspacePackage} workspacePackage
 * @returns {{ subpath: string, specifier: string, types: string, built: string, source: string | undefined }[]}
 */
export function publishedModules({ name, manifest }) {
  return Object.entries(manifest.exports ?? {})
    .filter(([, target]) => typeof target === 'object' && target.types)
    .map(([subpath, target]) => ({
      subpath,
      specifier: subpath === '.' ? name : `${name}/${subpath.slice(2)}`,
      types: target.types,
      built: target.default,
      source: target['@gateskip/source'],
    }));
}
