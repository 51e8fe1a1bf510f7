import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { repositoryRoot } from '../workspace/packages.mjs';
import { installTestPackages } from './debian-packages.mjs';
import { reportFailedSetUp, setUp } from './set-up.mjs';

const check = join(repositoryRoot, 'tools', 'check', 'check.mjs');
try {
  installTestPackages();
  // The check builds the JavaScript itself, and counts it.
  const environment = await setUp('full', { javascript: false });
  const env = await environment();
  const { status } = spawnSync(process.execPath, [check, ...process.argv.slice(2)], { cwd: repositoryRoot, env, stdio: 'inherit' });
  process.exitCode = status ?? 1;
} catch (error) {
  reportFailedSetUp(error);
  // The last line is the count, also where nothing could be counted.
  console.log('0 passed, 1 failed, 0 skipped');
}
