import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workspacePackages } from '../workspace/packages.mjs';
import { withProgress } from '../workspace/progress.mjs';
import { runProgram } from '../workspace/run-program.mjs';
import { inputHash } from './input-hash.mjs';
import { readStamp, writeStamp } from './stamp.mjs';

/** Whether what lies in node_modules has the test tools in it. @param {string} root */
function hasTestTools(root) {
  try {
    return JSON.parse(readFileSync(join(root, 'node_modules', '.modules.yaml'), 'utf8')).included?.devDependencies === true;
  } catch {
    return false;
  }
}

/**
 * Installs what the lockfile names. `production` leaves the test tools out, unless they are there already.
 *
 * @param {string} root
 * @param {'production' | 'full'} wanted
 * @param {() => Promise<NodeJS.ProcessEnv>} environment
 */
export async function installPackages(root, wanted, environment) {
  const manifests = workspacePackages(root).map(({ relativeFolder }) => `${relativeFolder}/package.json`);
  const key = inputHash(root, ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests]);
  const stamp = readStamp(root, 'install');
  const present = existsSync(join(root, 'node_modules', '.modules.yaml'));
  if (present && stamp.key === key && (stamp.mode === 'full' || stamp.mode === wanted)) return;

  const mode = wanted === 'full' || hasTestTools(root) ? 'full' : 'production';
  const env = { ...(await environment()), CI: '1' };
  const only = mode === 'production' ? ['--prod'] : [];
  await withProgress(mode === 'production' ? 'Installing packages (without test tools)' : 'Installing packages', (note) =>
    runProgram('pnpm', ['install', '--frozen-lockfile', '--prefer-offline', '--reporter=append-only', ...only], {
      cwd: root,
      env,
      onLine: note,
    }),
  );
  writeStamp(root, 'install', { key, mode });
}
