import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { workspacePackages } from '../workspace/packages.mjs';
import { findCycles } from './cycles.mjs';
import { importsOf } from './imports.mjs';
import { allowedImports } from './layers.mjs';

/**
 * @typedef {object} Violation
 * @property {'direction' | 'layer-unknown' | 'package-cycle' | 'file-cycle' | 'deep-import' | 'undeclared' | 'outside' | 'missing-file'} rule
 * @property {string} place file:line, relative to the repository
 * @property {string} message
 * @typedef {import('../workspace/packages.mjs').WorkspacePackage} WorkspacePackage
 */

/** @param {string} folder @returns {string[]} */
function sourceFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mts|js|mjs)$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes(`${sep}node_modules${sep}`) && !path.includes(`${sep}fixtures${sep}`))
    .sort();
}

/** `@scope/name/deep/er` -> `@scope/name`. @param {string} specifier */
function packageOf(specifier) {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** A relative import of `./x.js` means `x.ts`. @param {string} fromFile @param {string} specifier */
function resolveRelative(fromFile, specifier) {
  const target = resolve(dirname(fromFile), specifier);
  return [target.replace(/\.js$/, '.ts').replace(/\.mjs$/, '.mts'), target].find((path) => existsSync(path));
}

/**
 * Checks every import of every package against the rules of the house; see `layers.mjs` for the directions.
 *
 * Cycles between files count only what exists at run time; cycles between packages count types too.
 * Tests and examples may use what `devDependencies` name, here or at the root, and are free of the direction rule; an example may
 * also name any package of ours, as the application that it stands for would.
 *
 * @param {string} root
 * @returns {{ violations: Violation[], files: number }}
 */
export function findViolations(root) {
  const packages = workspacePackages(root);
  const byName = new Map(packages.map((each) => [each.name, each]));
  const rootManifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const rootTools = Object.keys({ ...rootManifest.dependencies, ...rootManifest.devDependencies });
  /** @type {Map<string, Set<string>>} */
  const packageGraph = new Map(packages.map(({ name }) => [name, new Set()]));
  /** @type {Violation[]} */
  const violations = [];
  let files = 0;

  for (const workspacePackage of packages) {
    const { name, folder, kind, manifest } = workspacePackage;
    const allowed = allowedImports(kind, basename(folder));
    if (allowed === undefined) {
      violations.push({
        rule: 'layer-unknown',
        place: `${workspacePackage.relativeFolder}/package.json`,
        message: `"${basename(folder)}" stands in no layer. Give it a line in tools/boundaries/layers.mjs.`,
      });
    }
    const source = join(folder, 'src');
    /** @type {Map<string, Set<string>>} */
    const fileGraph = new Map();
    const published = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies }));
    const forTests = new Set([...published, ...Object.keys(manifest.devDependencies ?? {}), ...rootTools, name]);

    for (const path of ['src', 'test', 'examples'].flatMap((part) => sourceFiles(join(folder, part)))) {
      files += 1;
      const inSource = path.startsWith(source + sep);
      const inExample = path.startsWith(join(folder, 'examples') + sep);
      const display = relative(root, path);
      if (inSource) fileGraph.set(display, new Set());
      for (const { specifier, line, typeOnly } of importsOf(path, readFileSync(path, 'utf8'))) {
        /** @param {Violation['rule']} rule @param {string} message */
        const report = (rule, message) => violations.push({ rule, place: `${display}:${line}`, message });
        if (specifier.startsWith('.')) {
          const target = resolveRelative(path, specifier);
          const home = inSource ? source : folder;
          if (!resolve(dirname(path), specifier).startsWith(home + sep)) {
            report('outside', `"${specifier}" leaves ${relative(root, home)}. Import another package by its name.`);
          } else if (!target) {
            // What a build puts there (an addon, a generated file) is resolved at run time, not here.
            if (inSource && specifier.endsWith('.js')) report('missing-file', `"${specifier}" names no file.`);
          } else if (inSource && !typeOnly) {
            fileGraph.get(display)?.add(relative(root, target));
          }
          continue;
        }
        if (isBuiltin(specifier)) continue;
        const imported = packageOf(specifier);
        const declared = inSource ? published : forTests;
        if (!declared.has(imported) && !(inSource && imported === name) && !(inExample && byName.has(imported))) {
          report('undeclared', `"${imported}" is not in the ${inSource ? 'dependencies' : 'dependencies or devDependencies'} of ${name}.`);
        }
        const own = byName.get(imported);
        if (!own) continue;
        const subpath = `.${specifier.slice(imported.length)}`;
        if (!(subpath in (own.manifest.exports ?? {}))) {
          report('deep-import', `"${specifier}" is not exported by ${imported}. Import what its package.json exports.`);
        }
        if (inSource && imported !== name) {
          packageGraph.get(name)?.add(imported);
          checkDirection(own, allowed, report, workspacePackage);
        }
      }
    }
    for (const cycle of findCycles(fileGraph)) {
      violations.push({ rule: 'file-cycle', place: cycle[0], message: cycle.join(' -> ') });
    }
  }
  for (const cycle of findCycles(packageGraph)) {
    violations.push({ rule: 'package-cycle', place: byName.get(cycle[0])?.relativeFolder ?? cycle[0], message: cycle.join(' -> ') });
  }
  return { violations, files };
}

/**
 * @param {WorkspacePackage} imported
 * @param {readonly string[] | 'everything' | undefined} allowed
 * @param {(rule: Violation['rule'], message: string) => void} report
 * @param {WorkspacePackage} importer
 */
function checkDirection(imported, allowed, report, importer) {
  if (allowed === undefined) return;
  if (imported.kind === 'packages' && (allowed === 'everything' || allowed.includes(basename(imported.folder)))) return;
  const list = allowed === 'everything' ? 'packages, not other apps' : allowed.join(', ') || 'nothing';
  report('direction', `${importer.relativeFolder} may not import ${imported.relativeFolder}. It may import: ${list}.`);
}
