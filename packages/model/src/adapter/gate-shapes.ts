import type { GateParameters, GateSpec, StandInMap } from '@gateskip/gate';

export type GateField = keyof GateParameters;

/** Shapes of one gate's numbers, by the table in `GateParameters`. */
export function gateShapes(spec: GateSpec, d: number): ReadonlyMap<GateField, readonly number[]> {
  const shapes: Record<GateSpec['variant'], [GateField, readonly number[]][]> = {
    vector: [
      ['weight', [d, d]],
      ['bias', [d]],
    ],
    scalar: [
      ['weight', [1, d]],
      ['bias', [1]],
    ],
    mlp: [
      ['weight', [d, spec.hidden ?? 0]],
      ['bias', [d]],
      ['down', [spec.hidden ?? 0, d]],
      ['downBias', [spec.hidden ?? 0]],
    ],
    'low-rank': [
      ['weight', [d, spec.rank ?? 0]],
      ['bias', [d]],
      ['down', [spec.rank ?? 0, d]],
    ],
    hybrid: [
      ['weight', [d, d]],
      ['bias', [d]],
      ['scalarWeight', [d]],
      ['scalarBias', [1]],
    ],
  };
  return new Map(shapes[spec.variant]);
}

export const valueCount = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Where branch `branch`'s gate lies in the file: shared gates are stored once per kind. */
export const gatePrefix = (spec: GateSpec, branch: number): string =>
  spec.sharing === 'separate' ? `branches.${branch}` : branch % 2 === 0 ? 'shared.attention' : 'shared.mlp';

export const standInName = (branch: number): string => `branches.${branch}.standIn`;

/** Where a branch's map of its stand-in lies. */
export const standInMapNames = (branch: number): Record<keyof StandInMap, string> => ({
  down: `branches.${branch}.standInDown`,
  up: `branches.${branch}.standInUp`,
});

export const standInMapShapes = (rank: number, d: number): Record<keyof StandInMap, readonly number[]> => ({
  down: [rank, d],
  up: [d, rank],
});

/** The two arrays of such a map. */
export const standInMapFields = ['down', 'up'] as const satisfies readonly (keyof StandInMap)[];
