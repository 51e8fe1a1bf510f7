import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../workspace/packages.mjs';
import { peers } from './peers.mjs';

/**
 * Puts peers to race against under .cache/peers, where `gateskip bench --against` finds them. They are no dependency of anything:
 * `node tools/peers/install.mjs node-llama-cpp`.
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
  install(name, peer);
}

/** @param {string} name @param {(typeof peers)[string]} peer */
function install(name, { version, platformPackage }) {
  const binaries = platformPackage();
  if (binaries === undefined) {
    console.error(`${name} ${version} has no ready build for ${process.platform}-${process.arch}.`);
    process.exit(3);
  }
  const folder = join(repositoryRoot, '.cache', 'peers', name);
  mkdirSync(folder, { recursive: true });
  // A manifest of its own: otherwise npm would look for one in the folders above.
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ name: `peer-${name}`, private: true }, null, 2)}\n`);
  const words = ['install', '--prefix', folder, '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund', '--save-exact'];
  const { status, error } = spawnSync('npm', [...words, `${name}@${version}`, `${binaries}@${version}`], {
    cwd: folder,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    console.error(`npm could not install ${name} ${version}${error ? `: ${error.message}` : ''}.`);
    process.exit(3);
  }
  console.log(`${name} ${version} is in ${relative(process.cwd(), folder) || '.'}.`);
}
