#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Builds the addon from the sources in this package: plain CMake, nothing is downloaded. */
const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..');
const steps: readonly (readonly string[])[] = [
  ['-S', packageRoot, '-B', join(packageRoot, 'build'), '-DCMAKE_BUILD_TYPE=Release'],
  ['--build', join(packageRoot, 'build'), '--parallel', '2'],
];
for (const parameters of steps) {
  const { status, error } = spawnSync('cmake', parameters, { stdio: 'inherit' });
  if (error !== undefined || status !== 0) {
    const cause = error === undefined ? `cmake ended with status ${status}` : `cmake cannot be started (${error.message})`;
    console.error(`gateskip: the CPU addon was not built: ${cause}. It needs cmake 3.18 or later and a C++17 compiler.`);
    process.exit(3);
  }
}
console.error('gateskip: the CPU addon is built.');
