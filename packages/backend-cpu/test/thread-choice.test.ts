import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRandomModel } from '@gateskip/model';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cpuBackend } from '../src/index.js';

const kernels = fileURLToPath(new URL('../../../kernels/cpu', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gateskip-thread-choice-'));
const program = join(folder, 'thread-choice-test');

beforeAll(() => {
  const sources = [join(kernels, 'src', 'thread-choice.cc'), join(kernels, 'test', 'thread-choice-test.cc')];
  execFileSync('c++', ['-std=c++17', '-O1', '-I', join(kernels, 'src'), ...sources, '-o', program], { stdio: 'pipe' });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('the number of threads follows what steps take', () => {
  const { status, stdout, stderr } = spawnSync(program, { encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
  expect(stdout.match(/^ok /gm)).toHaveLength(12);
});

it('is measured where none is asked for, and fixed where one is', async () => {
  await using measured = await cpuBackend.load(createRandomModel({ seed: 1 }), { extra: { isa: 'scalar' } });
  await using fixed = await cpuBackend.load(createRandomModel({ seed: 1 }), { threads: 3 });
  expect(measured.details?.threadChoice).toBe(Number(measured.details?.threads) > 1 ? 'measured' : 'fixed');
  expect(fixed.details).toMatchObject({ threads: 3, threadChoice: 'fixed' });
});
