import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const kernels = fileURLToPath(new URL('../../../kernels/cpu', import.meta.url));
const common = ['cpu-features.cc', 'matrix-pack.cc', 'logits.cc', 'low-rank-pack.cc', 'kernels-scalar.cc'];

interface Target {
  readonly name: string;
  readonly compiler: string;
  /** What runs the program, where the machine cannot itself. */
  readonly runner: readonly string[];
  readonly units: Readonly<Record<string, readonly string[]>>;
  readonly defines: readonly string[];
  readonly expected: readonly string[];
}

const X64: Target = {
  name: 'x64',
  compiler: 'g++',
  runner: [],
  units: {
    'kernels-avx2.cc': ['-mavx2', '-mfma', '-mf16c'],
    'kernels-avx2-vnni-evex.cc': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512vl', '-mavx512vnni'],
    'kernels-avx512-vnni.cc': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mavx512vnni', '-w'],
    'kernels-avx512-bf16.cc': [
      '-mavx2',
      '-mfma',
      '-mf16c',
      '-mavx512f',
      '-mavx512bw',
      '-mavx512vl',
      '-mavx512dq',
      '-mavx512vnni',
      '-mavx512bf16',
      '-w',
    ],
  },
  defines: ['-DGATESKIP_HAS_AVX512BF16'],
  expected: ['scalar'],
};
const ARM64_UNITS = { 'kernels-neon-dotprod.cc': ['-march=armv8.2-a+dotprod+fp16'] };
const ARM64: Target = { name: 'arm64', compiler: 'g++', runner: [], units: ARM64_UNITS, defines: [], expected: ['scalar'] };
const ARM64_EMULATED: Target = {
  name: 'arm64 under qemu',
  compiler: 'aarch64-linux-gnu-g++',
  runner: ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu'],
  units: ARM64_UNITS,
  defines: [],
  expected: ['neon-dotprod', 'scalar'],
};

const has = (program: string) => spawnSync(program, ['--version']).error === undefined;

for (const target of process.arch === 'arm64' ? [ARM64] : [X64, ARM64_EMULATED]) {
  const missing = [target.compiler, ...target.runner.slice(0, 1)].filter((program) => !has(program));
  describe(`kernels against plain loops, ${target.name}`, () => {
    if (missing.length > 0) {
      it('every instruction set agrees', ({ skip }) => skip(`${missing.join(' and ')} not installed`));
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'gateskip-kernels-'));
    const program = join(folder, 'kernels-test');
    beforeAll(() => {
      const flags = ['-std=c++17', '-O2', ...target.defines, '-fno-math-errno', '-ffp-contract=off', '-I', join(kernels, 'src')];
      const objects: string[] = [];
      for (const [source, options] of Object.entries(target.units)) {
        const object = join(folder, `${source}.o`);
        execFileSync(target.compiler, [...flags, ...options, '-c', join(kernels, 'src', source), '-o', object], { stdio: 'pipe' });
        objects.push(object);
      }
      const sources = [...common.map((source) => join(kernels, 'src', source)), join(kernels, 'test', 'kernels-test.cc')];
      execFileSync(target.compiler, [...flags, ...sources, ...objects, '-o', program], { stdio: 'pipe' });
    }, 300_000);
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it('every instruction set agrees', () => {
      const [command = program, ...before] = target.runner;
      const { status, stdout, stderr } = spawnSync(command, target.runner.length > 0 ? [...before, program] : [], { encoding: 'utf8' });
      expect(status, stdout + stderr).toBe(0);
      for (const name of target.expected) expect(stdout).toContain(`testing ${name}`);
      expect(Number(/(\d+) checks, 0 failed/.exec(stdout)?.[1])).toBeGreaterThan(90);
    }, 300_000);
  });
}
