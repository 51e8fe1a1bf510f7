import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { repositoryRoot, workspacePackages } from '../../workspace/packages.mjs';
import { generate } from '../generate.mjs';

let root = '';

/** A copy of the workspace as far as the generators touch it; the rest are links, so that nothing need be installed. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'generate-'));
  for (const name of ['package.json', 'tsconfig.base.json', 'biome.json', 'tools/build', 'tools/test', 'tools/boundaries/layers.mjs']) {
    cpSync(join(repositoryRoot, name), join(root, name), { recursive: true });
  }
  mkdirSync(join(root, 'packages'));
  mkdirSync(join(root, 'node_modules', '@gateskip'), { recursive: true });
  for (const name of readdirSync(join(repositoryRoot, 'node_modules'))) {
    if (!name.startsWith('.') && name !== '@gateskip')
      symlinkSync(join(repositoryRoot, 'node_modules', name), join(root, 'node_modules', name));
  }
  for (const { name, folder, relativeFolder, kind } of workspacePackages()) {
    if (kind !== 'packages') continue;
    if (relativeFolder === 'packages/scheduler') {
      for (const part of readdirSync(folder)) {
        if (part === 'node_modules') symlinkSync(join(folder, part), join(root, relativeFolder, part));
        else if (part !== 'dist') cpSync(join(folder, part), join(root, relativeFolder, part), { recursive: true });
      }
    } else {
      symlinkSync(folder, join(root, relativeFolder));
    }
    symlinkSync(folder, join(root, 'node_modules', name));
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** @param {string} program @param {string[]} args @param {string} cwd */
function run(program, args, cwd) {
  const { status, stdout, stderr } = spawnSync(join(repositoryRoot, 'node_modules', '.bin', program), args, { cwd, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/**
 * The stub compiles, is formatted, and its test fails because it does nothing yet.
 *
 * @param {readonly string[]} written @param {string} packageFolder @param {string} testFile @param {RegExp} failure
 */
function expectCompilingStub(written, packageFolder, testFile, failure) {
  const types = run('tsc', ['--noEmit', '-p', '.'], join(root, packageFolder));
  expect(types.output).toBe('');
  expect(types.status).toBe(0);
  const style = run('biome', ['check', '--vcs-enabled=false', '--colors=off', ...written.filter((path) => !path.endsWith('.md'))], root);
  expect(style.status, style.output).toBe(0);
  const tests = run('vitest', ['run', '--no-color', testFile], join(root, packageFolder));
  expect(tests.status).toBe(1);
  expect(tests.output).toMatch(failure);
}

describe('pnpm new', () => {
  it('package: a stub with a layer', async () => {
    const { written } = generate(root, 'package', 'token-cache');
    expectCompilingStub(written, 'packages/token-cache', 'test/token-cache.test.ts', /Write here what is right/);
    const { allowedImports } = await import(pathToFileURL(join(root, 'tools/boundaries/layers.mjs')).href);
    expect(allowedImports('packages', 'token-cache')).toEqual(['errors', 'gate']);
  });

  it('backend: a stub held to the conformance kit', () => {
    const { written } = generate(root, 'backend', 'abacus');
    expectCompilingStub(written, 'packages/backend-abacus', 'test/conformance.test.ts', /The abacus backend has no kernels yet/);
  });

  it('policy: a listed stub that keeps everything', () => {
    const { written } = generate(root, 'policy', 'coin-toss');
    expectCompilingStub(written, 'packages/scheduler', 'test/policies/coin-toss.test.ts', /coin-toss skips about as much/);
  });

  it('writes nothing over what is there, nor under a bad name or kind', () => {
    expect(() => generate(root, 'package', 'gate')).toThrow(/is there already/);
    expect(() => generate(root, 'package', '../out')).toThrow(/not a name/);
    expect(() => generate(root, 'kernel', 'x')).toThrow(/Known: package, backend, policy/);
    const twice = join(root, 'tools/boundaries/layers.mjs');
    mkdirSync(dirname(twice), { recursive: true });
    writeFileSync(twice, 'export const layers = {};\n');
    expect(() => generate(root, 'package', 'token-cache')).toThrow(/Mend tools\/generate/);
    expect(readdirSync(join(root, 'packages'))).not.toContain('token-cache');
  });
});
