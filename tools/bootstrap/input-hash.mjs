import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const builtFolder = /^(node_modules|dist|build.*|coverage|\.turbo|\.cache)$/;

/**
 * A hash over the contents and names of files, so that an unchanged input is recognised however it got there.
 *
 * @param {string} root
 * @param {readonly string[]} paths files or folders relative to `root`; folders are read whole, without what is built or installed in them
 * @param {readonly string[]} [extra] other things that the result depends on
 */
export function inputHash(root, paths, extra = []) {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([process.version, process.platform, process.arch, ...extra]));
  /** @param {string} path */
  const add = (path) => {
    const absolute = join(root, path);
    if (!existsSync(absolute)) return;
    if (statSync(absolute).isDirectory()) {
      for (const name of readdirSync(absolute).sort()) if (!builtFolder.test(name)) add(`${path}/${name}`);
    } else {
      hash.update(`\0${path}\0`).update(readFileSync(absolute));
    }
  };
  for (const path of paths) add(path);
  return hash.digest('hex');
}
