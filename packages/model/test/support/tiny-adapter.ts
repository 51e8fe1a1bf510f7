import type { GateParameters, GateSpec } from '@gateskip/gate';
import { randomScore } from '@gateskip/gate';
import { type GateField, gateShapes, valueCount } from '../../src/adapter/gate-shapes.js';
import type { GateAdapter } from '../../src/index.js';

/** A sound adapter for a model of 2 layers of width 8, numbers seeded. */
export function tinyAdapter(spec: Partial<GateSpec> = {}, options: { standIns?: boolean; seed?: number } = {}): GateAdapter {
  const full: GateSpec = { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false, ...spec };
  const [layers, hiddenSize] = [2, 8];
  let drawn = 0;
  const values = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => 4 * randomScore(options.seed ?? 1, drawn++, 0) - 2);
  const make = (): GateParameters =>
    Object.fromEntries(
      [...gateShapes(full, hiddenSize)].map(([field, shape]): [GateField, Float32Array] => [field, values(valueCount(shape))]),
    ) as unknown as GateParameters;
  const shared = [make(), make()];
  return {
    formatVersion: 1,
    name: 'tiny gates',
    modelFingerprint: 'ab'.repeat(32),
    modelName: 'tiny',
    layers,
    gates: {
      spec: full,
      hiddenSize,
      gates: Array.from({ length: 2 * layers }, (_, branch) =>
        full.sharing === 'shared' ? (shared[branch % 2] as GateParameters) : make(),
      ),
      ...(options.standIns === false ? {} : { standIns: Array.from({ length: 2 * layers }, () => values(hiddenSize)) }),
    },
    calibration: {
      kv: 'project',
      tokens: 4096,
      protectedBranches: [0, 3],
      pinnedTokens: 4,
      curve: [
        { threshold: 0, skip: 0, net: 1.01 },
        { threshold: 0.25, skip: 0.3, net: 0.72 },
        { threshold: 0.5, skip: 0.6, net: 0.43 },
      ],
      levels: [0, 0.5, 1],
      branchQuantiles: Array.from({ length: 2 * layers }, () => [0.1, 0.4, 0.9]),
      branchSkips: [0, 0.3, 0.6].map((skip) => new Array<number>(2 * layers).fill(skip)),
    },
    provenance: {
      method: 'fit',
      command: 'gateskip fit',
      data: 'self',
      license: 'Apache-2.0',
      created: '2026-01-01T00:00:00.000Z',
      version: '0.1.0',
    },
  };
}
