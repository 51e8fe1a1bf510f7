import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
const repositoryRoot = fileURLToPath(new URL('../../../..', import.meta.url));

export interface Sanitizer {
  readonly name: string;
  /** GATESKIP_SANITIZE of CMakeLists.txt, and the build's folder. */
  readonly build: string;
  readonly runtimes: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What the addon says in a process without the runtime. */
  readonly refusal: RegExp;
  /** A finding in our code. */
  readonly finding: RegExp;
}

/**
 * The whole conformance kit again, that of training too, every instruction set of this machine, three threads, on an addon built with a sanitizer.
 * Its runtimes must be the first libraries of the process, hence a child with LD_PRELOAD. A file for each sanitizer, so that both run side by side.
 */
export function conformsUnder(sanitizer: Sanitizer): void {
  const runtimes = sanitizer.runtimes.map(
    (name) => spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim() ?? '',
  );
  // GCC prints the bare name where it has no such library.
  const reason = runtimes.every((path) => path.includes('/')) ? '' : ` (g++ with ${sanitizer.runtimes.join(' and ')} is not installed)`;

  describe.skipIf(reason !== '')(`${sanitizer.name}${reason}`, () => {
    const folder = `build/${sanitizer.build}`;
    const addon = `${packageRoot}/${folder}/gateskip_cpu.node`;
    beforeAll(() => {
      const options = { cwd: packageRoot, stdio: 'pipe' } as const;
      const configure = ['-S', '.', '-B', folder, '-DCMAKE_BUILD_TYPE=RelWithDebInfo', `-DGATESKIP_SANITIZE=${sanitizer.build}`];
      execFileSync('cmake', configure, options);
      execFileSync('cmake', ['--build', folder, '--parallel', '2'], options);
    }, 1_200_000);

    it('is really in the addon: it refuses a process without its runtime', () => {
      const { status, stderr } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(addon)})`], { encoding: 'utf8' });
      expect(status).not.toBe(0);
      expect(stderr).toMatch(sanitizer.refusal);
    });

    it('finds nothing while the conformance kits run', () => {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [
          'node_modules/vitest/vitest.mjs',
          'run',
          'test/conformance.test.ts',
          'test/trainer-conformance.test.ts',
          '-t',
          '3 threads',
          '--root',
          packageRoot,
          '--reporter',
          'default',
          '--maxWorkers',
          '1',
        ],
        {
          cwd: repositoryRoot,
          encoding: 'utf8',
          env: { ...process.env, ...sanitizer.env, LD_PRELOAD: runtimes.join(' '), GATESKIP_CPU_ADDON: addon, NO_COLOR: '1' },
          maxBuffer: 1 << 28,
        },
      );
      const output = `${stdout}\n${stderr}`;
      expect(sanitizer.finding.exec(output)?.[0].slice(0, 4000)).toBeUndefined();
      expect(status, output.slice(-4000)).toBe(0);
      expect(Number(/Tests\s+(\d+) passed/.exec(output)?.[1])).toBeGreaterThan(100);
    }, 1_200_000);
  });
}
