import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const kernels = fileURLToPath(new URL('../../../kernels/cpu', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gateskip-row-tasks-'));
const sources = [join(kernels, 'src', 'thread-pool.cc'), join(kernels, 'test', 'row-tasks-test.cc')];

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ['plain', []],
  ['thread sanitizer', ['-fsanitize=thread']],
])('rows are dealt to threads, each once: %s', (name, flags) => {
  const program = join(folder, name.replace(' ', '-'));
  execFileSync('c++', ['-std=c++17', '-O1', '-pthread', ...flags, '-I', join(kernels, 'src'), ...sources, '-o', program], {
    stdio: 'pipe',
  });
  const { status, stdout, stderr } = spawnSync(program, { encoding: 'utf8', timeout: 60_000 });
  expect(status, stdout + stderr).toBe(0);
  expect(stdout.match(/^ok /gm)).toHaveLength(9);
});
