import { join } from 'node:path';
import type { StandInMap } from '@gateskip/gate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloatToFloat, floatToBfloat, type GateAdapter, normNames, readAdapter, writeAdapter } from '../src/index.js';
import { type AdapterHeader, inDescription, rewriteHeader } from './support/adapter-header.js';
import { testFolder } from './support/folder.js';
import { tinyAdapter } from './support/tiny-adapter.js';
import { tinyBackbone } from './support/tiny-backbone.js';

const path = join(testFolder(), 'stand-ins.safetensors');

/** Maps whose numbers bfloat16 holds, for 4 branches of width 8. */
const maps = (rank: number, seed = 1): StandInMap[] => {
  let drawn = seed;
  const values = () => Float32Array.from({ length: 8 * rank }, () => bfloatToFloat(floatToBfloat(Math.sin(++drawn))));
  return Array.from({ length: 4 }, () => ({ down: values(), up: values() }));
};
const withMaps = (standInMaps: readonly StandInMap[], standIns = true): GateAdapter => {
  const adapter = tinyAdapter({}, { standIns });
  return { ...adapter, gates: { ...adapter.gates, standInMaps } };
};
const refused = (message: RegExp) => ({ code: 'GS_ADAPTER_INVALID', message: expect.stringMatching(message) });

describe('maps of stand-ins', () => {
  it('come back bit for bit, as version 3, with and without backbone changes', async () => {
    const property = fc.asyncProperty(fc.integer({ min: 1, max: 8 }), fc.nat(1000), fc.boolean(), async (rank, seed, changes) => {
      const plain = withMaps(maps(rank, seed));
      const adapter: GateAdapter = changes ? { ...plain, backbone: tinyBackbone({ norms: normNames(2) }) } : plain;
      await writeAdapter(path, adapter);
      expect(await readAdapter(path)).toEqual({ ...adapter, formatVersion: 3 });
    });
    await fc.assert(property, { numRuns: 30 });
  });

  it('round to BF16 unless F32 is asked for', async () => {
    const third: StandInMap = { down: new Float32Array(8).fill(1 / 3), up: new Float32Array(8).fill(1 / 3) };
    const adapter = withMaps([third, third, third, third]);
    await writeAdapter(path, adapter, { loraType: 'F32' });
    expect((await readAdapter(path)).gates.standInMaps?.[0]).toEqual(third);
    await writeAdapter(path, adapter);
    expect((await readAdapter(path)).gates.standInMaps?.[0]?.up[0]).toBe(bfloatToFloat(floatToBfloat(1 / 3)));
  });

  it.each([
    ['without stand-ins', () => withMaps(maps(2), false), /no stand-ins/],
    ['too few', () => withMaps(maps(2).slice(1)), /3 maps/],
    ['of two ranks', () => withMaps([...maps(2).slice(1), ...maps(3).slice(0, 1)]), /24 numbers/],
    ['of no whole rank', () => withMaps(maps(2).map(({ up }) => ({ down: new Float32Array(12), up }))), /rank.*1\.5/],
    ['of a rank above the width', () => withMaps(maps(9)), /rank.*9/],
    ['with a number NaN', () => withMaps(maps(1).map(({ up }) => ({ down: new Float32Array(8).fill(Number.NaN), up }))), /NaN/],
  ] as const)('%s are not written', async (_name, make, message) => {
    await expect(writeAdapter(path, make())).rejects.toMatchObject(refused(message));
  });

  const json = (change: (head: Record<string, unknown>) => void) => inDescription(change);
  it.each([
    ['version 1 with maps', json((head) => Object.assign(head, { formatVersion: 1 })), /make version 3/],
    ['version 3 without a rank', json((head) => delete head.standInRank), /no maps of stand-ins/],
    ['a rank of a billion', json((head) => Object.assign(head, { standInRank: 1e9 })), /standInRank/],
    ['a rank of another number', json((head) => Object.assign(head, { standInRank: 1 })), /shape/],
    ['maps without stand-ins', json((head) => Object.assign(head, { hasStandIns: false })), /no stand-ins/],
    ['a map missing', (header: AdapterHeader) => delete header['branches.3.standInUp'], /standInUp.*missing|bytes|gap/],
  ] as const)('%s is refused when read', async (_name, change, message) => {
    await writeAdapter(path, withMaps(maps(2)));
    rewriteHeader(path, change);
    await expect(readAdapter(path)).rejects.toMatchObject(refused(message));
  });
});
