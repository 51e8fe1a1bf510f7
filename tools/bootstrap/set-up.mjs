import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repositoryRoot } from '../workspace/packages.mjs';
import { seconds } from '../workspace/progress.mjs';
import { buildAddon, buildJavaScript } from './build.mjs';
import { installPackages } from './install.mjs';
import { toolEnvironment } from './pnpm.mjs';
import { missingRequirements } from './requirements.mjs';

/**
 * From a bare clone to something that runs: pnpm, packages, addon, JavaScript. What is unchanged since last time is left alone.
 *
 * @param {'production' | 'full'} mode
 * @param {{ javascript?: boolean }} [parts] `javascript: false` leaves the bundling to whoever comes next
 * @returns {Promise<() => Promise<NodeJS.ProcessEnv>>} the environment for programs that come next
 * @throws {Error} that says what is missing or what failed
 */
export async function setUp(mode, { javascript = true } = {}) {
  const root = repositoryRoot;
  const started = performance.now();
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const missing = missingRequirements(engines.node.replace(/^[^\d]*/, ''));
  if (missing.length > 0) throw new Error(missing.join('\n'));
  /** @type {Promise<NodeJS.ProcessEnv> | undefined} */
  let pending;
  const environment = () => {
    pending ??= toolEnvironment(root);
    return pending;
  };
  await installPackages(root, mode, environment);
  await buildAddon(root, environment);
  if (javascript) await buildJavaScript(root, environment);
  console.log(`✓ Set up (${seconds(performance.now() - started)})`);
  return environment;
}

/** Says on one line why a set-up failed; the output of what failed stands above it. @param {unknown} error */
export function reportFailedSetUp(error) {
  console.error(`Set-up failed: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 2;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await setUp(process.argv.includes('--production') ? 'production' : 'full').catch(reportFailedSetUp);
}
