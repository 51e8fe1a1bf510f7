import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Links of a Markdown file to files that are not there. Links to the web and to headings are not followed.
 *
 * @param {string} path
 * @returns {string[]} the targets, as written
 */
export function deadLinks(path) {
  const prose = readFileSync(path, 'utf8').replace(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^([a-z]+:|#)/i.test(target) && !existsSync(resolve(dirname(path), decodeURI(target.replace(/#.*$/, '')))));
}
