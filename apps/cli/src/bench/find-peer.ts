import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UnsupportedError } from '@gateskip/errors';
import type { Model } from '@gateskip/model';
import { PeerMissingError, PeerModelMissingError } from './bench-errors.js';
import { findPython } from './find-python.js';
import { llamaCppPythonProgram } from './llama-cpp-python-program.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** How a peer's process is started: a program of ours for Node, or one that a Python is given as text. */
export type PeerStart =
  | { readonly kind: 'node'; readonly program: string; readonly moduleUrl: string }
  | { readonly kind: 'lines'; readonly command: string; readonly words: readonly string[] };

export interface FoundPeer {
  readonly name: PeerName;
  readonly version: string;
  readonly start: PeerStart;
}

/** The peers that the bench can race. */
export const peerNames = ['node-llama-cpp', 'llama-cpp-python', 'onnxruntime-node'] as const;
export type PeerName = (typeof peerNames)[number];

const here = dirname(fileURLToPath(import.meta.url));

/** A file of the built program beside this one; undefined where it runs from sources. */
export function builtFile(name: string): string | undefined {
  const path = join(here, name);
  return existsSync(path) ? path : undefined;
}

/**
 * Finds an installed peer: in the folder that GATESKIP_PEERS names, else in `.cache/peers` and `node_modules` of the working
 * directory, of this package, and of every folder above them. The Python one also where `python` or GATESKIP_PYTHON says, and in
 * the first Python of the PATH.
 *
 * @throws PeerMissingError, UnsupportedError
 */
export function findPeer(name: PeerName, env: Environment, python?: string, workingDirectory = process.cwd()): FoundPeer {
  const folders = peerFolders(env, workingDirectory).map((folder) => join(folder, name));
  if (name === 'llama-cpp-python') {
    const { command, version } = findPython(name, 'llama_cpp', folders, python ?? env.GATESKIP_PYTHON);
    return { name, version, start: { kind: 'lines', command, words: ['-u', '-c', llamaCppPythonProgram] } };
  }
  const places = [
    ...folders.map((folder) => join(folder, 'node_modules', name)),
    ...(env.GATESKIP_PEERS ? [] : above(workingDirectory).map((folder) => join(folder, 'node_modules', name))),
  ];
  for (const place of places) {
    const manifest = join(place, 'package.json');
    if (!existsSync(manifest)) continue;
    const { version = 'unknown', main = 'index.js' } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string; main?: string };
    const program = builtFile(`bench-${name}.js`);
    if (program === undefined)
      throw new UnsupportedError(`Peer "${name}" runs from the built program only.`, 'Build it with `pnpm build`.', { what: name });
    return { name, version, start: { kind: 'node', program, moduleUrl: pathToFileURL(join(place, main)).href } };
  }
  throw new PeerMissingError(
    name,
    `it is in none of ${places.length} places, from ${places[0]} up`,
    `npm install ${name}${name === 'onnxruntime-node' ? ' --ignore-scripts' : ''}`,
    places,
  );
}

/** What the peer opens: the file itself, or what was made of it. @throws PeerModelMissingError */
export function peerModel(name: PeerName, model: Model, path: string, env: Environment, workingDirectory = process.cwd()): string {
  if (name !== 'onnxruntime-node') return path;
  const places = peerFolders(env, workingDirectory).map((folder) => join(folder, name, 'models', model.fingerprint.slice(0, 16)));
  const found = places.find((place) => existsSync(join(place, 'model.json')));
  if (found === undefined) throw new PeerModelMissingError(name, path, places);
  return found;
}

function peerFolders(env: Environment, workingDirectory: string): string[] {
  if (env.GATESKIP_PEERS) return [env.GATESKIP_PEERS];
  return above(workingDirectory).map((folder) => join(folder, '.cache', 'peers'));
}

/** The working directory, this package's folder, and all folders above them, each once. */
function above(workingDirectory: string): string[] {
  return [...new Set([workingDirectory, here].flatMap(foldersUp))];
}

function foldersUp(folder: string): string[] {
  const next = dirname(folder);
  return next === folder ? [folder] : [folder, ...foldersUp(next)];
}
