import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const longestExample = 10;

/**
 * @typedef {object} PackageExamples
 * @property {string[]} files `examples/*.mjs`, absolute
 * @property {string[]} problems what is wrong between the README and them
 */

/** The code blocks of a README that are JavaScript; a sketch that cannot run alone is written as `ts`. @param {string} readme @returns {string[]} */
export function codeBlocks(readme) {
  return [...readme.matchAll(/^```(?:js|mjs|javascript)\n([\s\S]*?)^```$/gm)].map(([, code]) => code.trim());
}

/**
 * A package's README shows its examples word for word: every JavaScript block is one of `examples/*.mjs`, and the first is at most ten lines.
 *
 * @param {import('../workspace/packages.mjs').WorkspacePackage} workspacePackage
 * @returns {PackageExamples}
 */
export function packageExamples({ folder, kind }) {
  const examplesFolder = join(folder, 'examples');
  const files = existsSync(examplesFolder)
    ? readdirSync(examplesFolder)
        .filter((name) => name.endsWith('.mjs'))
        .sort()
        .map((name) => join(examplesFolder, name))
    : [];
  const readmePath = join(folder, 'README.md');
  if (!existsSync(readmePath)) return { files, problems: ['There is no README.md.'] };

  const problems = [];
  const blocks = codeBlocks(readFileSync(readmePath, 'utf8'));
  const texts = files.map((path) => readFileSync(path, 'utf8').trim());
  for (const block of blocks) {
    if (!texts.includes(block)) problems.push(`README.md shows code that is no file of examples/:\n${block}`);
  }
  const shown = blocks.find((block) => texts.includes(block));
  // An app is used from the command line; a library must show how it is called.
  if (kind === 'packages' && !shown) problems.push('README.md shows none of examples/*.mjs word for word.');
  const lineCount = shown?.split('\n').filter((line) => line.trim()).length ?? 0;
  if (lineCount > longestExample) problems.push(`The first example has ${lineCount} lines, at most ${longestExample} are wanted.`);
  return { files, problems };
}
