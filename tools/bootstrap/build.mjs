import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { publishedModules, workspacePackages } from '../workspace/packages.mjs';
import { withProgress } from '../workspace/progress.mjs';
import { runProgram } from '../workspace/run-program.mjs';
import { inputHash } from './input-hash.mjs';
import { readStamp, writeStamp } from './stamp.mjs';

const nativePackage = 'packages/backend-cpu';

/** @param {string} folder */
function holdsAddon(folder) {
  return existsSync(folder) && readdirSync(folder, { recursive: true }).some((name) => String(name).endsWith('.node'));
}

/**
 * Compiles the addon of the CPU backend.
 *
 * @param {string} root
 * @param {() => Promise<NodeJS.ProcessEnv>} environment
 */
export async function buildAddon(root, environment) {
  const sources = readdirSync(join(root, nativePackage))
    .filter((name) => !/^(\..*|src|test|examples|api|dist|node_modules|build.*|.*\.md|ts.*|vitest.*)$/.test(name))
    .map((name) => `${nativePackage}/${name}`);
  const { CC = '', CXX = '', CFLAGS = '', CXXFLAGS = '' } = process.env;
  const key = inputHash(root, ['kernels/cpu', ...sources], [CC, CXX, CFLAGS, CXXFLAGS]);
  if (readStamp(root, 'addon').key === key && holdsAddon(join(root, nativePackage, 'build'))) return;

  const env = { ...(await environment()), CMAKE_BUILD_PARALLEL_LEVEL: String(availableParallelism()) };
  await withProgress('Compiling the CPU kernels', (note) =>
    runProgram('pnpm', ['--dir', nativePackage, 'run', 'build:native'], { cwd: root, env, onLine: note }),
  );
  writeStamp(root, 'addon', { key });
}

/**
 * Bundles every package's JavaScript into its `dist`.
 *
 * @param {string} root
 * @param {() => Promise<NodeJS.ProcessEnv>} environment
 */
export async function buildJavaScript(root, environment) {
  const packages = workspacePackages(root);
  const sources = packages.flatMap(({ relativeFolder }) =>
    ['src', 'package.json', 'tsup.config.ts'].map((name) => `${relativeFolder}/${name}`),
  );
  const key = inputHash(root, ['pnpm-lock.yaml', 'tsconfig.base.json', 'turbo.json', 'tools/build', ...sources]);
  const outputs = packages.flatMap((each) => [
    ...publishedModules(each).map(({ built }) => join(each.folder, built)),
    ...Object.values(each.manifest.bin ?? {}).map((path) => join(each.folder, String(path))),
  ]);
  if (readStamp(root, 'javascript').key === key && outputs.every((path) => existsSync(path))) return;

  const env = await environment();
  await withProgress('Building the packages', (note) => runProgram('turbo', ['run', 'build'], { cwd: root, env, onLine: note }));
  writeStamp(root, 'javascript', { key });
}
