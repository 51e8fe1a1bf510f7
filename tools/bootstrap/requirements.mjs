import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * Where a program lies on PATH.
 *
 * @param {string} program
 * @returns {string | undefined}
 */
export function findProgram(program) {
  const names = process.platform === 'win32' ? [`${program}.exe`, `${program}.cmd`] : [program];
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not in this folder.
      }
    }
  }
  return undefined;
}

/**
 * What this machine lacks, one line each with its remedy; empty when all is there.
 *
 * @param {string} minimumNode `20.20`
 * @returns {string[]}
 */
export function missingRequirements(minimumNode) {
  const missing = [];
  const [wantedMajor, wantedMinor] = minimumNode.split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    missing.push(`Node ${minimumNode} or newer is needed, this is ${process.versions.node}. Install a newer Node.`);
  }
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter((name) => name !== undefined);
  if (!compilers.some((name) => name.includes('/') || findProgram(name))) {
    missing.push('No C++ compiler is on PATH. Install g++ or clang++, or set CXX.');
  }
  if (!findProgram('cmake')) missing.push('cmake is not on PATH. Install cmake.');
  if (!findProgram('npm')) missing.push('npm is not on PATH. It comes with Node.');
  return missing;
}
