import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { repositoryRoot } from '../workspace/packages.mjs';
import { setUp } from './set-up.mjs';

const environment = await setUp('full');
const { status } = spawnSync(process.execPath, [join(repositoryRoot, 'tools', 'check', 'check.mjs'), ...process.argv.slice(2)], {
  cwd: repositoryRoot,
  env: await environment(),
  stdio: 'inherit',
});
process.exit(status ?? 1);
