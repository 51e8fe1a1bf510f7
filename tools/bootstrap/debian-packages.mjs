import { spawnSync } from 'node:child_process';
import { seconds } from '../workspace/progress.mjs';

/** What some tests need beyond the set-up's own requirements: the Debian package and a program that it brings. */
const TEST_PACKAGES = [
  { package: 'g++-aarch64-linux-gnu', program: 'aarch64-linux-gnu-g++' },
  { package: 'qemu-user', program: 'qemu-aarch64' },
];

/** @param {string} program */
const has = (program) => spawnSync(program, ['--version']).error === undefined;

/**
 * Installs what tests need from Debian's archive, where this is Debian and we may. Elsewhere it says what is missing; the
 * tests that need it report themselves skipped.
 */
export function installTestPackages() {
  const missing = TEST_PACKAGES.filter(({ program }) => !has(program)).map((entry) => entry.package);
  if (missing.length === 0 || process.platform !== 'linux') return;
  if (process.getuid?.() !== 0 || !has('apt-get')) {
    console.log(`• Not installed: ${missing.join(', ')} (needs root and apt-get); tests that need them are skipped`);
    return;
  }
  const started = performance.now();
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () =>
    spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing], { env, stdio: 'pipe', timeout: 300_000 });
  let result = install();
  if (result.status !== 0) {
    spawnSync('apt-get', ['update', '-q'], { env, stdio: 'pipe', timeout: 120_000 });
    result = install();
  }
  if (result.status === 0) console.log(`✓ Installed ${missing.join(', ')} (${seconds(performance.now() - started)})`);
  else console.log(`• Could not install ${missing.join(', ')}; tests that need them are skipped`);
}
