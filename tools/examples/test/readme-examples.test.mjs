import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { deadLinks } from '../dead-links.mjs';
import { packageExamples } from '../readme-examples.mjs';

/** @type {string[]} */
const folders = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** @param {string | undefined} readme @param {string} example @param {'packages' | 'apps'} [kind] */
function problems(readme, example, kind = 'packages') {
  const folder = mkdtempSync(join(tmpdir(), 'examples-'));
  folders.push(folder);
  mkdirSync(join(folder, 'examples'));
  if (example) writeFileSync(join(folder, 'examples', 'one.mjs'), example);
  if (readme !== undefined) writeFileSync(join(folder, 'README.md'), readme);
  return packageExamples({ name: 'x', folder, relativeFolder: 'packages/x', kind, manifest: {} }).problems;
}

it('accepts a README that shows its example word for word, beside other languages', () => {
  expect(problems('# x\n```sh\nnpm i\n```\n\n```js\nconsole.log(1);\n```\n', 'console.log(1);\n')).toEqual([]);
});

it('finds a README that has drifted from its example', () => {
  expect(problems('```js\nconsole.log(2);\n```\n', 'console.log(1);\n').join()).toMatch(/no file of examples/);
});

it('finds a missing README and one without an example, and lets an app go without', () => {
  expect(problems(undefined, 'console.log(1);\n').join()).toMatch(/no README/);
  expect(problems('# x\n', 'console.log(1);\n').join()).toMatch(/shows none/);
  expect(problems('# x\n', '', 'apps')).toEqual([]);
});

it('finds an example that is too long', () => {
  const long = 'console.log(1);\n'.repeat(11);
  expect(problems(`\`\`\`js\n${long}\`\`\`\n`, long).join()).toMatch(/11 lines/);
});

it('finds links that lead nowhere, and only those', () => {
  const folder = mkdtempSync(join(tmpdir(), 'examples-'));
  folders.push(folder);
  const path = join(folder, 'a.md');
  writeFileSync(path, '[self](a.md#part) [web](https://example.org/x) [gone](docs/gone.md)\n```md\n[code](nothing.md)\n```\n');
  expect(deadLinks(path)).toEqual(['docs/gone.md']);
});
