import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

/**
 * The whole conformance kit again, every instruction set of this machine, on an addon built with AddressSanitizer and
 * UndefinedBehaviorSanitizer. Their runtimes must be the first libraries of the process, hence a child with LD_PRELOAD.
 */
const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
const buildFolder = 'build/address';
const addon = `${packageRoot}/${buildFolder}/gateskip_cpu.node`;

const runtimes = ['libasan.so', 'libubsan.so'].map((name) => {
  const { stdout } = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' });
  return stdout?.trim() ?? '';
});
// GCC prints the bare name where it has no such library.
const reason = runtimes.every((path) => path.includes('/')) ? undefined : 'g++ with libasan and libubsan is not installed';

describe.skipIf(reason !== undefined)(`sanitizers${reason === undefined ? '' : ` (${reason})`}`, () => {
  beforeAll(() => {
    const options = { cwd: packageRoot, stdio: 'pipe' } as const;
    execFileSync('cmake', ['-S', '.', '-B', buildFolder, '-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DGATESKIP_SANITIZE=address'], options);
    execFileSync('cmake', ['--build', buildFolder, '--parallel', '2'], options);
  }, 600_000);

  it('are really in the addon: it refuses a process without their runtime', () => {
    const { status, stderr } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(addon)})`], { encoding: 'utf8' });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/ASan runtime does not come first|AddressSanitizer|__asan/);
  });

  it('find nothing while the conformance kit runs', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        'test/conformance.test.ts',
        '-t',
        '3 threads',
        '--root',
        packageRoot,
        '--reporter',
        'default',
      ],
      {
        cwd: fileURLToPath(new URL('../../../..', import.meta.url)),
        encoding: 'utf8',
        env: {
          ...process.env,
          LD_PRELOAD: runtimes.join(' '),
          ASAN_OPTIONS: 'detect_leaks=0',
          UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
          GATESKIP_CPU_ADDON: addon,
          NO_COLOR: '1',
        },
        maxBuffer: 1 << 26,
      },
    );
    const output = `${stdout}\n${stderr}`;
    expect(output).not.toMatch(/ERROR: AddressSanitizer|runtime error:/);
    expect(status, output.slice(-4000)).toBe(0);
    expect(Number(/Tests\s+(\d+) passed/.exec(output)?.[1])).toBeGreaterThan(100);
  }, 600_000);
});
