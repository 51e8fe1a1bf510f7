import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GateSpec } from '@gateskip/gate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertAdapterFits,
  bfloatToFloat,
  createRandomModel,
  floatToBfloat,
  floatToHalf,
  type GateAdapter,
  halfToFloat,
  readAdapter,
  writeAdapter,
  writeSafetensors,
} from '../src/index.js';
import { testFolder } from './support/folder.js';
import { tinyAdapter } from './support/tiny-adapter.js';

const folder = testFolder();
const path = join(folder, 'gates.safetensors');

const specs = fc.record({
  variant: fc.constantFrom('vector', 'scalar', 'mlp', 'low-rank', 'hybrid'),
  sharing: fc.constantFrom('separate', 'shared'),
  position: fc.constantFrom('before', 'after'),
  multiplies: fc.boolean(),
  size: fc.integer({ min: 1, max: 8 }),
});

const complete = ({ size, ...spec }: { size: number } & Omit<GateSpec, 'rank' | 'hidden'>): GateSpec => ({
  ...spec,
  ...(spec.variant === 'low-rank' ? { rank: size } : {}),
  ...(spec.variant === 'mlp' ? { hidden: size } : {}),
});

describe('round trip', () => {
  it('every variant comes back bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(specs as fc.Arbitrary<{ size: number } & GateSpec>, fc.boolean(), fc.nat(), async (spec, standIns, seed) => {
        const adapter = tinyAdapter(complete(spec), { standIns, seed });
        await writeAdapter(path, adapter);
        expect(await readAdapter(path)).toEqual(adapter);
      }),
      { numRuns: 60 },
    );
  });

  it.each(['F16', 'BF16'] as const)('stored as %s it comes back rounded to that type', async (type) => {
    const adapter = tinyAdapter({ variant: 'hybrid' });
    await writeAdapter(path, adapter, { type });
    const back = await readAdapter(path);
    const round = (value: number): number => (type === 'F16' ? halfToFloat(floatToHalf(value)) : bfloatToFloat(floatToBfloat(value)));
    for (const [branch, gate] of adapter.gates.gates.entries()) expect(back.gates.gates[branch]?.weight).toEqual(gate.weight.map(round));
  });

  it('shared gates stay one object for all branches of a kind', async () => {
    await writeAdapter(path, tinyAdapter({ sharing: 'shared' }));
    const { gates } = (await readAdapter(path)).gates;
    expect(gates[0]).toBe(gates[2]);
    expect(gates[1]).toBe(gates[3]);
    expect(gates[0]).not.toBe(gates[1]);
  });
});

/** Knots beyond the list have none. */
const withStrengths = (adapter: GateAdapter, strengths: readonly number[]): GateAdapter => ({
  ...adapter,
  calibration: {
    ...adapter.calibration,
    curve: adapter.calibration.curve.map((knot, i) => ({ ...knot, ...(i < strengths.length && { loraStrength: strengths[i]! }) })),
  },
});

/** What is changed in a sound adapter, and what the refusal must say. */
const faults: readonly (readonly [string, (adapter: GateAdapter) => unknown, RegExp])[] = [
  ['format version 4', (a) => ({ ...a, formatVersion: 4 }), /version 4/],
  ['fingerprint that is none', (a) => ({ ...a, modelFingerprint: 'x' }), /sha256/],
  [
    'more layers than gates',
    (a) => ({
      ...a,
      layers: 3,
      calibration: { ...a.calibration, branchQuantiles: new Array(6).fill([0.1, 0.4, 0.9]), branchSkips: undefined },
    }),
    /4 gates/,
  ],
  ['a billion layers', (a) => ({ ...a, layers: 1e9 }), /layers/],
  [
    'threshold above 1',
    (a) => ({
      ...a,
      calibration: {
        ...a.calibration,
        curve: [
          { threshold: 0, skip: 0, net: 1 },
          { threshold: 1.5, skip: 0.5, net: 1 },
        ],
      },
    }),
    /1\.5/,
  ],
  ['threshold below 0', (a) => ({ ...a, calibration: { ...a.calibration, curve: [{ threshold: -0.1, skip: 0, net: 1 }] } }), /-0\.1/],
  ['threshold NaN', (a) => ({ ...a, calibration: { ...a.calibration, curve: [{ threshold: 0, skip: 0, net: Number.NaN }] } }), /NaN/],
  ['share of low-rank additions above 1', (a) => withStrengths(a, [0, 1.25]), /loraStrength of knot 1/],
  ['share of low-rank additions in a part of the curve', (a) => withStrengths(a, [0]), /loraStrength/],
  [
    'falling curve',
    (a) => ({
      ...a,
      calibration: { ...a.calibration, curve: [...a.calibration.curve.slice(0, 1), ...a.calibration.curve.slice(1).reverse()] },
    }),
    /fall/,
  ],
  ['curve that starts elsewhere', (a) => ({ ...a, calibration: { ...a.calibration, curve: a.calibration.curve.slice(1) } }), /start/],
  ['no curve', (a) => ({ ...a, calibration: { ...a.calibration, curve: [] } }), /start/],
  ['protected branch outside', (a) => ({ ...a, calibration: { ...a.calibration, protectedBranches: [4] } }), /0 to 3/],
  ['protected branch twice', (a) => ({ ...a, calibration: { ...a.calibration, protectedBranches: [1, 1] } }), /twice/],
  ['quantiles of another width', (a) => ({ ...a, calibration: { ...a.calibration, levels: [0, 1] } }), /branchQuantiles/],
  ['unknown kv mode', (a) => ({ ...a, calibration: { ...a.calibration, kv: 'forget' } }), /forget/],
  ['provenance missing', (a) => ({ ...a, provenance: undefined }), /provenance/],
  ['unknown variant', (a) => ({ ...a, gates: { ...a.gates, spec: { ...a.gates.spec, variant: 'magic' } } }), /magic/],
  ['rank 0', (a) => ({ ...a, gates: { ...a.gates, spec: { ...a.gates.spec, variant: 'low-rank', rank: 0 } } }), /rank/],
  [
    'weights too short',
    (a) => ({ ...a, gates: { ...a.gates, gates: a.gates.gates.map((g) => ({ ...g, weight: g.weight.slice(1) })) } }),
    /shape \[1, 8\]/,
  ],
  [
    'weight NaN',
    (a) => ({ ...a, gates: { ...a.gates, gates: a.gates.gates.map((g) => ({ ...g, weight: g.weight.map(() => Number.NaN) })) } }),
    /NaN/,
  ],
  [
    'bias infinite',
    (a) => ({ ...a, gates: { ...a.gates, gates: a.gates.gates.map((g) => ({ ...g, bias: g.bias.map(() => Number.POSITIVE_INFINITY) })) } }),
    /Infinity/,
  ],
  [
    'gate stuck at 1',
    (a) => ({
      ...a,
      gates: { ...a.gates, gates: a.gates.gates.map((g) => ({ weight: g.weight.map(() => 0), bias: g.bias.map(() => 40) })) },
    }),
    /stuck at 1/,
  ],
  [
    'gate stuck at 0',
    (a) => ({
      ...a,
      gates: { ...a.gates, gates: a.gates.gates.map((g) => ({ weight: g.weight.map(() => 0), bias: g.bias.map(() => -40) })) },
    }),
    /stuck at 0/,
  ],
  [
    'field of another variant',
    (a) => ({ ...a, gates: { ...a.gates, gates: a.gates.gates.map((g) => ({ ...g, down: g.weight })) } }),
    /"down"/,
  ],
  ['stand-in of another width', (a) => ({ ...a, gates: { ...a.gates, standIns: a.gates.standIns?.map((s) => s.slice(1)) } }), /stand-in 0/],
  ['stand-ins missing for a branch', (a) => ({ ...a, gates: { ...a.gates, standIns: a.gates.standIns?.slice(1) } }), /3 stand-ins/],
];

describe('a broken adapter is refused', () => {
  it.each(faults)('when written: %s', async (_name, change, message) => {
    await expect(writeAdapter(path, change(tinyAdapter()) as GateAdapter)).rejects.toMatchObject({
      code: 'GS_ADAPTER_INVALID',
      message: expect.stringMatching(message),
    });
  });

  const rewrite = async (change: (json: Record<string, unknown>) => unknown): Promise<void> => {
    await writeAdapter(path, tinyAdapter());
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    header.__metadata__.gateskip = JSON.stringify(change(JSON.parse(header.__metadata__.gateskip)));
    const text = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(path, Buffer.concat([prefix, text, bytes.subarray(8 + length)]));
  };

  it.each([
    ['a description of more layers', (json: object) => ({ ...json, layers: 3 }), /6 are needed|missing/],
    ['a description of another width', (json: object) => ({ ...json, hiddenSize: 16 }), /shape \[1, 8\].*\[1, 16\]/],
    ['a description that is a list', () => [], /not an object/],
    ['stand-ins that it does not announce', (json: object) => ({ ...json, hasStandIns: false }), /no place/],
  ] as const)('when read: %s', async (_name, change, message) => {
    await rewrite(change);
    await expect(readAdapter(path)).rejects.toMatchObject({ code: 'GS_ADAPTER_INVALID', message: expect.stringMatching(message) });
  });

  it('when read: another safetensors file, or none', async () => {
    await writeSafetensors(path, new Map());
    await expect(readAdapter(path)).rejects.toMatchObject({ code: 'GS_ADAPTER_INVALID' });
    writeFileSync(path, 'hello there, no gates here');
    await expect(readAdapter(path)).rejects.toMatchObject({ code: 'GS_ADAPTER_INVALID' });
    await expect(readAdapter(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'GS_MODEL_IO' });
  });

  it('when its numbers do not fit the type it is stored as', async () => {
    const adapter = tinyAdapter();
    adapter.gates.gates[0]?.weight.fill(1e6);
    await expect(writeAdapter(path, adapter, { type: 'F16' })).rejects.toMatchObject({
      code: 'GS_ADAPTER_INVALID',
      message: expect.stringContaining('F16'),
    });
  });
});

describe('fitting a model', () => {
  it('refuses another shape and other weights, showing both', () => {
    const adapter = tinyAdapter();
    const model = createRandomModel({ seed: 1 });
    const mine = { config: { ...model.config, layers: 2, hiddenSize: 8 }, fingerprint: adapter.modelFingerprint };
    expect(() => assertAdapterFits(adapter, mine)).not.toThrow();
    expect(() => assertAdapterFits(adapter, { ...mine, config: { ...mine.config, hiddenSize: 16 } })).toThrowError(
      expect.objectContaining({
        code: 'GS_ADAPTER_MISMATCH',
        fields: { expected: { layers: 2, hiddenSize: 16 }, got: { layers: 2, hiddenSize: 8 } },
      }),
    );
    const other = { ...mine, fingerprint: 'cd'.repeat(32) };
    expect(() => assertAdapterFits(adapter, other)).toThrowError(expect.objectContaining({ code: 'GS_ADAPTER_MISMATCH' }));
    expect(() => assertAdapterFits(adapter, other, { allowOtherWeights: true })).not.toThrow();
  });
});
