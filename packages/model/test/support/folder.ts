import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder that is removed after the tests of the file. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gateskip-model-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let counter = 0;

export function writeTestFile(folder: string, bytes: Uint8Array | string, ending = '.gguf'): string {
  const path = join(folder, `file-${counter++}${ending}`);
  writeFileSync(path, bytes);
  return path;
}
