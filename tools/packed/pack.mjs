import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { workspacePackages } from '../workspace/packages.mjs';
import { runProgram } from '../workspace/run-program.mjs';

/**
 * @typedef {object} PackedPackage
 * @property {import('../workspace/packages.mjs').WorkspacePackage} workspacePackage
 * @property {string} tarball absolute path
 * @property {string[]} files paths inside the package
 */

/**
 * Packs every publishable package as `pnpm publish` would.
 *
 * @param {string} root
 * @param {string} folder where the tarballs go; emptied first
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<PackedPackage[]>}
 */
export async function packAll(root, folder, env) {
  rmSync(folder, { recursive: true, force: true });
  /** @type {PackedPackage[]} */
  const packed = [];
  for (const workspacePackage of workspacePackages(root)) {
    if (workspacePackage.manifest.private) continue;
    const destination = join(folder, workspacePackage.relativeFolder.replaceAll('/', '-'));
    mkdirSync(destination, { recursive: true });
    await runProgram('pnpm', ['pack', '--pack-destination', destination], { cwd: workspacePackage.folder, env });
    const [fileName] = existsSync(destination) ? readdirSync(destination).filter((name) => name.endsWith('.tgz')) : [];
    if (!fileName) throw new Error(`pnpm pack left no tarball for ${workspacePackage.name}.`);
    const tarball = join(destination, fileName);
    const { stdout } = await runProgram('tar', ['-tzf', tarball]);
    const files = stdout
      .trim()
      .split('\n')
      .map((path) => path.replace(/^package\//, ''));
    packed.push({ workspacePackage, tarball, files });
  }
  return packed;
}
