import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PeerMissingError } from './bench-errors.js';

export interface FoundPython {
  readonly command: string;
  readonly version: string;
}

/** Importing a native package from a cold disk takes its time; a Python that hangs must not. */
const importLimitMs = 60_000;

/**
 * A Python that has a package: the one that was named and no other, else of the virtual environments in `folders`, else of the PATH.
 *
 * @throws PeerMissingError
 */
export function findPython(peer: string, module: string, folders: readonly string[], named?: string): FoundPython {
  const inside = process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python'];
  const environments = folders.map((folder) => join(folder, ...inside));
  const candidates = named ? [named] : [...environments.filter((path) => existsSync(path)), 'python3', 'python'];
  for (const command of candidates) {
    const { status, stdout } = spawnSync(command, ['-c', `import ${module}; print(${module}.__version__)`], {
      encoding: 'utf8',
      timeout: importLimitMs,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    if (status === 0 && stdout.trim() !== '') return { command, version: stdout.trim().slice(0, 64) };
  }
  throw new PeerMissingError(
    peer,
    named
      ? `${named} cannot import ${module}`
      : `no Python of ${environments.length} folders, from ${folders[0]} up, nor of the PATH, imports ${module}`,
    `pip install ${peer}`,
    candidates,
  );
}
