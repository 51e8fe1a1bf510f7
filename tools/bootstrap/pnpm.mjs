import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { withProgress } from '../workspace/progress.mjs';
import { runProgram } from '../workspace/run-program.mjs';
import { findProgram } from './requirements.mjs';

/**
 * The folder that holds the pinned pnpm: the one on PATH where it has the right version, else one fetched by npm into the repository's cache.
 *
 * @param {string} root
 * @returns {Promise<string>}
 */
async function pnpmFolder(root) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const version = packageManager.replace(/^pnpm@/, '').replace(/\+.*$/, '');
  const own = join(root, '.cache', 'pnpm');
  const ownManifest = join(own, 'node_modules', 'pnpm', 'package.json');
  const ownFolder = join(own, 'node_modules', '.bin');
  if (existsSync(ownManifest) && JSON.parse(readFileSync(ownManifest, 'utf8')).version === version) return ownFolder;

  const onPath = findProgram('pnpm');
  if (onPath) {
    const { stdout } = await runProgram(onPath, ['--version'], { cwd: dirname(onPath), mayFail: true });
    if (stdout.trim() === version) return dirname(onPath);
  }
  await withProgress(`Fetching pnpm ${version}`, (note) =>
    runProgram(
      'npm',
      ['install', '--prefix', own, '--no-save', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error', `pnpm@${version}`],
      {
        cwd: root,
        onLine: note,
      },
    ),
  );
  return ownFolder;
}

/**
 * The environment in which every further program runs: pinned pnpm and the workspace's programs first on PATH, and nothing reported to anyone.
 *
 * @param {string} root
 * @returns {Promise<NodeJS.ProcessEnv>}
 */
export async function toolEnvironment(root) {
  const folder = await pnpmFolder(root);
  return {
    ...process.env,
    PATH: [folder, join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
    DO_NOT_TRACK: '1',
  };
}
