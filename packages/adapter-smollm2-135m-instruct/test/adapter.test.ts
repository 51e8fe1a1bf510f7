import { existsSync } from 'node:fs';
import { readAdapter } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { adapterPath, modelFingerprint, modelName } from '../src/index.js';

describe('adapter package', () => {
  it('names a model and a file', () => {
    expect(modelFingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(adapterPath).toMatch(/adapter\.safetensors$/);
    expect(modelName).not.toBe('');
  });

  it('holds gates of that model, with where they come from', async ({ skip }) => {
    if (!existsSync(adapterPath)) skip('the gate file is not in this checkout: make it with gateskip train');
    const adapter = await readAdapter(adapterPath);
    expect(adapter.modelFingerprint).toBe(modelFingerprint);
    expect(adapter.layers).toBe(30);
    expect(adapter.calibration.curve.at(-1)?.skip).toBeGreaterThan(0.25);
    expect(adapter.provenance.command).toMatch(/^gateskip (fit|train) /);
    expect(adapter.provenance.license).not.toBe('');
  });
});
