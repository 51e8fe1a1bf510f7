import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../workspace/packages.mjs';
import { peers } from './peers.mjs';

/**
 * Puts peers under .cache/peers: those to race against, where `gateskip bench --against` finds them, and lm-evaluation-harness,
 * which judges `gateskip eval`. They are no dependency of anything:
 * `node tools/peers/install.mjs node-llama-cpp llama-cpp-python onnxruntime-node lm-eval`.
 */
const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' } } });
const known = Object.keys(peers).join(', ');
if (values.help || positionals.length === 0) {
  console.log(`node tools/peers/install.mjs <peer>...\nPeers: ${known}`);
  process.exit(values.help ? 0 : 2);
}
for (const name of positionals) {
  const peer = peers[name];
  if (!peer) {
    console.error(`There is no peer "${name}". Known: ${known}.`);
    process.exit(2);
  }
  const folder = join(repositoryRoot, '.cache', 'peers', name);
  mkdirSync(folder, { recursive: true });
  if (peer.kind === 'pip') installPython(name, peer, folder);
  else installPackage(name, peer, folder);
  console.log(`${name} ${peer.version} is in ${relative(process.cwd(), folder) || '.'}.`);
}

/** @param {string} name @param {{ version: string, packages: () => readonly string[] | undefined }} peer @param {string} folder */
function installPackage(name, { version, packages }, folder) {
  const binaries = packages();
  if (binaries === undefined) {
    console.error(`${name} ${version} has no ready build for ${process.platform}-${process.arch}.`);
    process.exit(3);
  }
  // A manifest of its own: otherwise npm would look for one in the folders above.
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ name: `peer-${name}`, private: true }, null, 2)}\n`);
  const words = ['install', '--prefix', folder, '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund', '--save-exact'];
  run('npm', [...words, ...[name, ...binaries].map((one) => `${one}@${version}`)], folder);
}

/** @param {string} name @param {{ version: string, requirement?: string }} peer @param {string} folder becomes a virtual environment */
function installPython(name, { version, requirement }, folder) {
  const windows = process.platform === 'win32';
  run(windows ? 'python' : 'python3', ['-m', 'venv', folder], folder);
  const python = join(folder, ...(windows ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  if (requirement !== undefined) {
    run(python, ['-m', 'pip', 'install', `${requirement}==${version}`], folder);
    return;
  }
  const env = { CMAKE_ARGS: '-DGGML_NATIVE=ON', FORCE_CMAKE: '1' };
  run(python, ['-m', 'pip', 'install', '--no-binary', name, `${name}==${version}`], folder, env);
}

/** @param {string} program @param {readonly string[]} words @param {string} cwd @param {Record<string, string>} [env] */
function run(program, words, cwd, env = {}) {
  const { status, error } = spawnSync(program, words, {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'inherit',
    shell: process.platform === 'win32' && program === 'npm',
  });
  if (status === 0) return;
  console.error(`${program} ${words.join(' ')} failed${error ? `: ${error.message}` : ''}.`);
  process.exit(3);
}
