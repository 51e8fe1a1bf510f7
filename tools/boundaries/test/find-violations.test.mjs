import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { findViolations } from '../find-violations.mjs';

/** @type {string[]} */
const roots = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

/** @param {string} name @param {Record<string, string>} [dependencies] @param {object} [rest] */
function manifest(name, dependencies = {}, rest = {}) {
  return JSON.stringify({ name, dependencies, exports: { '.': './dist/index.js' }, ...rest });
}

/** A sound workspace of three packages and an app, with some of its files replaced. @param {Record<string, string>} changes */
function workspace(changes = {}) {
  const root = mkdtempSync(join(tmpdir(), 'boundaries-'));
  roots.push(root);
  /** @type {Record<string, string>} */
  const files = {
    'package.json': JSON.stringify({ devDependencies: { vitest: '4' } }),
    'packages/errors/package.json': manifest('@gateskip/errors'),
    'packages/errors/src/index.ts': "export { one } from './one.js';\n",
    'packages/errors/src/one.ts': 'export const one = 1;\n',
    'packages/gate/package.json': manifest('@gateskip/gate', { '@gateskip/errors': '*' }),
    'packages/gate/src/index.ts':
      "import { one } from '@gateskip/errors';\nimport { join } from 'node:path';\nexport const gate = join(String(one));\n",
    'packages/gate/test/gate.test.ts': "import { it } from 'vitest';\nimport { gate } from '@gateskip/gate';\nit(gate, () => {});\n",
    'packages/backend-x/package.json': manifest('@gateskip/backend-x', { '@gateskip/gate': '*', leftish: '1' }),
    'packages/backend-x/src/index.ts': "import 'leftish';\nexport { gate } from '@gateskip/gate';\n",
    'apps/cli/package.json': manifest('cli', { '@gateskip/backend-x': '*' }),
    'apps/cli/src/index.ts': "export const load = () => import('@gateskip/backend-x');\n",
    ...changes,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/** @param {Record<string, string>} changes */
function rulesBroken(changes) {
  return findViolations(workspace(changes)).violations.map(({ rule, place }) => `${rule} ${place}`);
}

describe('findViolations', () => {
  it('finds nothing in a sound workspace', () => {
    expect(rulesBroken({})).toEqual([]);
  });

  it('finds an import outward, also of types alone', () => {
    expect(
      rulesBroken({
        'packages/gate/package.json': manifest('@gateskip/gate', { '@gateskip/errors': '*', '@gateskip/scheduler': '*' }),
        'packages/gate/src/index.ts': "export type { S } from '@gateskip/scheduler';\nexport const gate = '';\n",
        'packages/scheduler/package.json': manifest('@gateskip/scheduler'),
        'packages/scheduler/src/index.ts': 'export type S = 1;\n',
      }),
    ).toEqual(['direction packages/gate/src/index.ts:1']);
  });

  it('lets a backend import no other backend', () => {
    expect(
      rulesBroken({
        'packages/backend-y/package.json': manifest('@gateskip/backend-y', { '@gateskip/backend-x': '*' }),
        'packages/backend-y/src/index.ts': "import '@gateskip/backend-x';\n",
      }),
    ).toEqual(['direction packages/backend-y/src/index.ts:1']);
  });

  it('finds an import of an app', () => {
    expect(
      rulesBroken({
        'packages/gate/package.json': manifest('@gateskip/gate', { cli: '*' }),
        'packages/gate/src/index.ts': "import 'cli';\n",
      }),
    ).toContain('direction packages/gate/src/index.ts:1');
  });

  it('finds a cycle between packages', () => {
    const broken = rulesBroken({
      'packages/errors/package.json': manifest('@gateskip/errors', { '@gateskip/gate': '*' }),
      'packages/errors/src/one.ts': "import type { gate } from '@gateskip/gate';\nexport const one: typeof gate | 1 = 1;\n",
    });
    expect(broken).toContain('direction packages/errors/src/one.ts:1');
    expect(broken.some((line) => line.startsWith('package-cycle'))).toBe(true);
  });

  it('finds a cycle between files, and lets types go round', () => {
    const round = (/** @type {string} */ keyword) => ({
      'packages/errors/src/one.ts': `${keyword} { two } from './two.js';\nexport const one = 1;\n`,
      'packages/errors/src/two.ts': "import { one } from './one.js';\nexport const two = () => one;\n",
    });
    expect(rulesBroken(round('import'))).toEqual(['file-cycle packages/errors/src/one.ts']);
    expect(rulesBroken(round('import type'))).toEqual([]);
  });

  it('finds a deep import, by name and by path', () => {
    expect(rulesBroken({ 'packages/gate/src/index.ts': "import '@gateskip/errors/src/one.js';\nexport const gate = '';\n" })).toEqual([
      'deep-import packages/gate/src/index.ts:1',
    ]);
    expect(rulesBroken({ 'packages/gate/src/index.ts': "import '../../errors/src/one.js';\nexport const gate = '';\n" })).toEqual([
      'outside packages/gate/src/index.ts:1',
    ]);
  });

  it('finds a deep import in a test', () => {
    expect(rulesBroken({ 'packages/gate/test/gate.test.ts': "import '@gateskip/errors/src/one.js';\n" })).toEqual([
      'deep-import packages/gate/test/gate.test.ts:1',
    ]);
  });

  it('finds an undeclared package, and one that only tests may use', () => {
    expect(rulesBroken({ 'packages/errors/src/one.ts': "import 'leftish';\nexport const one = 1;\n" })).toEqual([
      'undeclared packages/errors/src/one.ts:1',
    ]);
    expect(rulesBroken({ 'packages/errors/src/one.ts': "import 'vitest';\nexport const one = 1;\n" })).toEqual([
      'undeclared packages/errors/src/one.ts:1',
    ]);
  });

  it('lets an example name any package of ours, but no other one', () => {
    expect(
      rulesBroken({
        'packages/gate/examples/one.mjs': "import '@gateskip/backend-x';\nimport 'leftish';\nimport '@gateskip/errors/src/one.js';\n",
      }),
    ).toEqual(['undeclared packages/gate/examples/one.mjs:2', 'deep-import packages/gate/examples/one.mjs:3']);
  });

  it('finds a package without a layer and an import of a file that is not there', () => {
    expect(rulesBroken({ 'packages/mystery/package.json': manifest('@gateskip/mystery') })).toEqual([
      'layer-unknown packages/mystery/package.json',
    ]);
    expect(rulesBroken({ 'packages/errors/src/one.ts': "import './gone.js';\nexport const one = 1;\n" })).toEqual([
      'missing-file packages/errors/src/one.ts:1',
    ]);
  });
});
