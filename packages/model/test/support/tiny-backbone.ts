import { randomScore } from '@gateskip/gate';
import { type BackboneChanges, bfloatToFloat, floatToBfloat, type LayerMatrix, layerMatrices } from '../../src/index.js';

export const tinySides: Readonly<Record<LayerMatrix, readonly [rows: number, columns: number]>> = {
  query: [12, 8],
  key: [6, 8],
  value: [6, 8],
  attentionOutput: [8, 12],
  mlpGate: [20, 8],
  mlpUp: [20, 8],
  mlpDown: [8, 20],
};

/** Changes for the model of `tinyAdapter`; numbers seeded and exact in BF16. */
export function tinyBackbone(
  options: { rank?: number; matrices?: readonly LayerMatrix[]; norms?: readonly string[]; seed?: number } = {},
): BackboneChanges {
  const { rank = 2, matrices = layerMatrices, norms = [], seed = 1 } = options;
  let drawn = 0;
  const values = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => bfloatToFloat(floatToBfloat(4 * randomScore(seed, drawn++, 1) - 2)));
  const factors = (matrix: LayerMatrix) => {
    const [rows, columns] = tinySides[matrix];
    return { down: values(rank * columns), up: values(rows * rank) };
  };
  return {
    ...(matrices.length > 0 && {
      lora: {
        rank,
        alpha: 2.5,
        matrices,
        layers: [0, 1].map(() => Object.fromEntries(matrices.map((matrix) => [matrix, factors(matrix)]))),
      },
    }),
    ...(norms.length > 0 && { norms: new Map(norms.map((name) => [name, values(8)])) }),
  };
}
