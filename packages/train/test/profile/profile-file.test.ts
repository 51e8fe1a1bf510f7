import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandomModel } from '@gateskip/model';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  assertProfileFits,
  type ModelProfile,
  ProfileInvalidError,
  ProfileMismatchError,
  parseProfile,
  profileJson,
  readProfile,
  writeProfile,
} from '../../src/index.js';

const model = createRandomModel({ seed: 1, config: { layers: 2, hiddenSize: 32 } });
const profile: ModelProfile = {
  format: 'gateskip.profile/1',
  model: { name: 'tiny', fingerprint: model.fingerprint, layers: 2, hiddenSize: 32 },
  text: { description: 'made up', tokens: 10, removalTokens: 8, removalRows: 4, windowTokens: 16, pinnedTokens: 1 },
  blockInfluence: [0.1, 0.25],
  removalKl: [0.1, 2, 0.3, 1e-9],
  removalTop1: [1, 0.5, 0, 0.25],
  relativeNorms: [0.3, 1.5, 0.2, 0.1],
  meanOutputs: Float32Array.from({ length: 128 }, (_, i) => (i - 64) / 3),
};
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'profile-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('profile files', () => {
  it('read back what was written, bit for bit', async () => {
    const path = join(folder, 'profile.json');
    await writeProfile(path, profile);
    expect(await readProfile(path)).toEqual(profile);
  });

  it('are refused where they are damaged, whatever the damage', () => {
    const good = JSON.parse(profileJson(profile)) as Record<string, unknown>;
    const broken: Record<string, unknown>[] = [
      { format: 'gateskip.profile/2' },
      { model: { ...profile.model, layers: 1e9 } },
      { model: { ...profile.model, name: 3 } },
      { text: [] },
      { blockInfluence: [0.1] },
      { removalKl: [0.1, 2, 0.3, -1] },
      { removalKl: [0.1, 2, 0.3, null] },
      { removalTop1: [1, 0.5, 0, 1.5] },
      { relativeNorms: 'all' },
      { meanOutputs: { encoding: 'f64', shape: [4, 32], data: '' } },
      { meanOutputs: { encoding: 'f32-le-base64', shape: [4, 33], data: '' } },
      { meanOutputs: { encoding: 'f32-le-base64', shape: [4, 32], data: 'AAAA' } },
      { meanOutputs: { encoding: 'f32-le-base64', shape: [4, 32], data: Buffer.alloc(512, 255).toString('base64') } },
    ];
    for (const change of broken) {
      expect(() => parseProfile(JSON.stringify({ ...good, ...change }), 'x'), JSON.stringify(change)).toThrow(ProfileInvalidError);
    }
    for (const text of ['', '[]', 'null', '{', '{"format":"gateskip.profile/1"}'])
      expect(() => parseProfile(text, 'x')).toThrow(ProfileInvalidError);
    const part = fc.oneof(fc.anything(), fc.jsonValue());
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(good)), part, (key, value) => {
        let text: string;
        try {
          text = JSON.stringify({ ...good, [key]: value });
        } catch {
          return;
        }
        try {
          parseProfile(text, 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(ProfileInvalidError);
        }
      }),
    );
  });

  it('are refused before they are read where they are too large, and where they are no files', async () => {
    const path = join(folder, 'large.json');
    await writeFile(path, '{}');
    await truncate(path, 200 * 1048576);
    await expect(readProfile(path)).rejects.toThrow(/at most/);
    await expect(readProfile(folder)).rejects.toBeInstanceOf(ProfileInvalidError);
    await expect(readProfile(join(folder, 'none.json'))).rejects.toBeInstanceOf(ProfileInvalidError);
  });

  it('fit the model they were made of and no other', () => {
    expect(() => assertProfileFits(profile, model)).not.toThrow();
    const other = createRandomModel({ seed: 2, config: { layers: 2, hiddenSize: 32 } });
    expect(() => assertProfileFits(profile, other)).toThrow(ProfileMismatchError);
    expect(() => assertProfileFits(profile, other, { allowOtherWeights: true })).not.toThrow();
    const deeper = createRandomModel({ seed: 1, config: { layers: 3, hiddenSize: 32 } });
    expect(() => assertProfileFits(profile, deeper, { allowOtherWeights: true })).toThrow(/3 layers of width 32/);
  });
});
