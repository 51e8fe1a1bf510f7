import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../workspace/packages.mjs';
import { reportFailedSetUp, setUp } from './set-up.mjs';

const demo = join(repositoryRoot, 'tools', 'demo', 'demo.mjs');
if (!existsSync(demo)) {
  console.error('tools/demo/demo.mjs is not there, so there is no demo to run. Check the clone.');
  process.exit(2);
}
try {
  await setUp('production');
  const { status } = spawnSync(process.execPath, [demo, ...process.argv.slice(2)], { cwd: repositoryRoot, stdio: 'inherit' });
  process.exitCode = status ?? 1;
} catch (error) {
  reportFailedSetUp(error);
}
