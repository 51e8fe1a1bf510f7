import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UnsupportedError } from '@gateskip/errors';
import { PeerMissingError } from './bench-errors.js';

export interface FoundPeer {
  readonly name: string;
  readonly version: string;
  readonly moduleUrl: string;
}

/** The peers that the bench can race. */
export const peerNames = ['node-llama-cpp'] as const;

const here = dirname(fileURLToPath(import.meta.url));

/** A file of the built program beside this one; undefined where it runs from sources. */
export function builtFile(name: string): string | undefined {
  const path = join(here, name);
  return existsSync(path) ? path : undefined;
}

/**
 * Finds an installed peer: in the folder that GATESKIP_PEERS names, else in `.cache/peers` and `node_modules` of the working
 * directory, of this package, and of every folder above them.
 *
 * @throws PeerMissingError
 */
export function findPeer(name: string, env: Readonly<Record<string, string | undefined>>, workingDirectory = process.cwd()): FoundPeer {
  const named = env.GATESKIP_PEERS;
  const inside = (folder: string): string => join(folder, name, 'node_modules', name);
  const places = named
    ? [inside(named)]
    : [workingDirectory, here]
        .flatMap(foldersUp)
        .flatMap((folder) => [inside(join(folder, '.cache', 'peers')), join(folder, 'node_modules', name)]);
  for (const place of places) {
    const manifest = join(place, 'package.json');
    if (!existsSync(manifest)) continue;
    const { version = 'unknown', main = 'index.js' } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string; main?: string };
    return { name, version, moduleUrl: pathToFileURL(join(place, main)).href };
  }
  throw new PeerMissingError(name, places);
}

/** The program that runs a peer. @throws UnsupportedError */
export function peerProgram(name: string): string {
  const path = builtFile(`bench-${name}.js`);
  if (path === undefined)
    throw new UnsupportedError('Peers run from the built program only.', 'Build it with `pnpm build`.', { what: name });
  return path;
}

function foldersUp(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...foldersUp(above)];
}
