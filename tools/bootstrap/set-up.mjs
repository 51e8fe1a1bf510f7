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
 * @returns {Promise<() => Promise<NodeJS.ProcessEnv>>} the environment for programs that come next
 */
export async function setUp(mode) {
  const root = repositoryRoot;
  const started = performance.now();
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const missing = missingRequirements(engines.node.replace(/^[^\d]*/, ''));
  if (missing.length > 0) {
    console.error(missing.join('\n'));
    process.exit(2);
  }
  /** @type {Promise<NodeJS.ProcessEnv> | undefined} */
  let pending;
  const environment = () => {
    pending ??= toolEnvironment(root);
    return pending;
  };
  try {
    await installPackages(root, mode, environment);
    await buildAddon(root, environment);
    await buildJavaScript(root, environment);
  } catch (error) {
    console.error(`Set-up failed: ${error instanceof Error ? error.message : error}`);
    process.exit(2);
  }
  console.log(`✓ Set up (${seconds(performance.now() - started)})`);
  return environment;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await setUp(process.argv.includes('--production') ? 'production' : 'full');
}
