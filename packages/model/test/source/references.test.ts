import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isModelReference, resolveModel } from '../../src/index.js';
import { folder, model, options, useHub } from '../support/hub-cache.js';

useHub();

describe('references', () => {
  const bad = [
    '',
    'x\u0000y',
    '\n',
    'hf:',
    'hf:a',
    'hf:../x',
    'hf:a/..',
    'hf:a/b/../../etc/passwd',
    'hf:a/b//x',
    'hf:a/b/.hidden',
    'hf:a/b@../x',
    'hf:a b/c',
    'hf:-a/b',
    'hf:a/b/x\\y.gguf',
    'hf:a/b/C:x',
    'hf:a/b/con.',
    `hf:a/${'b'.repeat(200)}`,
    'pypi:',
    'pypi:--index-url=x',
    'pypi:a b',
    'pypi:a;b',
    'pypi:a==1 --pre',
    'pypi:a/../x',
    'ftp:a/b',
    'http://host/x.gguf',
    'nobody-knows-this',
    'x'.repeat(5000),
    'SMOLLM2-135M',
  ];
  it.each(bad)('%j is refused', async (text) => {
    expect(isModelReference(text)).toBe(false);
    await expect(resolveModel(text, options())).rejects.toMatchObject({ code: 'GS_MODEL_NAME' });
  });

  it.each([
    'smollm2-135m',
    'hf:a/b',
    'hf:a/b@v1.0/c/d.gguf',
    'pypi:a',
    'pypi:a-b==1.0.post1/c/d.gguf',
    './x.gguf',
    '/x/y',
    'C:\\x\\y.gguf',
    'x.gguf',
  ])('%j is a reference', (text) => {
    expect(isModelReference(text)).toBe(true);
  });

  it('a path can be forbidden', async () => {
    const path = join(folder, 'here.gguf');
    writeFileSync(path, model);
    expect(await resolveModel(path)).toEqual({ path, reference: path, source: 'file', sizeBytes: model.length });
    await expect(resolveModel(path, { allowPaths: false })).rejects.toMatchObject({ code: 'GS_MODEL_NAME' });
    await expect(resolveModel(join(folder, 'gone.gguf'))).rejects.toMatchObject({ code: 'GS_MODEL_IO' });
  });
});
