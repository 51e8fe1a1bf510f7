import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publishedModules } from '../workspace/packages.mjs';
import { runProgram } from '../workspace/run-program.mjs';

/**
 * Installs tarballs into an empty project outside the repository and imports every published module there.
 *
 * @param {readonly import('./pack.mjs').PackedPackage[]} packed
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ specifier: string, error: string | undefined }[]>}
 */
export async function importPacked(packed, env) {
  const project = mkdtempSync(join(tmpdir(), 'packed-'));
  try {
    const fromFile = Object.fromEntries(packed.map(({ workspacePackage, tarball }) => [workspacePackage.name, `file:${tarball}`]));
    const manifest = { name: 'empty-project', private: true, type: 'module', dependencies: fromFile, pnpm: { overrides: fromFile } };
    mkdirSync(project, { recursive: true });
    writeFileSync(join(project, 'package.json'), JSON.stringify(manifest, null, 2));
    const args = [
      'install',
      '--ignore-workspace',
      '--prefer-offline',
      '--no-frozen-lockfile',
      '--ignore-scripts',
      '--reporter=append-only',
    ];
    await runProgram('pnpm', args, { cwd: project, env });
    const results = [];
    for (const { workspacePackage } of packed) {
      for (const { specifier } of publishedModules(workspacePackage)) {
        const code = `const loaded = await import(${JSON.stringify(specifier)}); if (Object.keys(loaded).length === 0) throw new Error('exports nothing');`;
        const { exitCode, output } = await runProgram(process.execPath, ['--input-type=module', '--eval', code], {
          cwd: project,
          env,
          timeoutMs: 60_000,
          mayFail: true,
        });
        results.push({ specifier, error: exitCode === 0 ? undefined : output });
      }
    }
    return results;
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}
