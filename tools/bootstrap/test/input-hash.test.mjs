import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inputHash } from '../input-hash.mjs';
import { readStamp, writeStamp } from '../stamp.mjs';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bootstrap-'));
  mkdirSync(join(root, 'src', 'dist'), { recursive: true });
  writeFileSync(join(root, 'src', 'a.ts'), 'one');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('changes with a content, a name and an extra, and with nothing that is built', () => {
  const before = inputHash(root, ['src'], ['g++']);
  writeFileSync(join(root, 'src', 'dist', 'a.js'), 'built');
  expect(inputHash(root, ['src'], ['g++'])).toBe(before);
  expect(inputHash(root, ['src', 'not-there'], ['g++'])).toBe(before);
  expect(inputHash(root, ['src'], ['clang++'])).not.toBe(before);
  writeFileSync(join(root, 'src', 'a.ts'), 'two');
  const changed = inputHash(root, ['src'], ['g++']);
  expect(changed).not.toBe(before);
  writeFileSync(join(root, 'src', 'a.ts'), 'one');
  writeFileSync(join(root, 'src', 'b.ts'), '');
  expect(inputHash(root, ['src'], ['g++'])).not.toBe(before);
});

it('keeps a stamp, and takes a damaged one for none', () => {
  expect(readStamp(root, 'install')).toEqual({});
  writeStamp(root, 'install', { key: 'k', mode: 'full' });
  expect(readStamp(root, 'install')).toEqual({ key: 'k', mode: 'full' });
  writeFileSync(join(root, '.cache', 'bootstrap', 'install.json'), '{');
  expect(readStamp(root, 'install')).toEqual({});
});
