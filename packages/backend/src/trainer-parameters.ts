import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount, gateParameterShapes, standInRank } from '@gateskip/gate';
import { type LayerMatrix, layerMatrices, type ModelConfig, tensorShapes } from '@gateskip/model';
import type { ParameterGroup, TrainerOptions } from './trainer.js';

export const LAYER_MATRICES: readonly LayerMatrix[] = layerMatrices;

/** Name, group and shape of one array that can be trained. */
export interface ParameterDescription {
  readonly name: string;
  readonly group: ParameterGroup;
  /** As the gate package, the model's tensors ([1, d] for norms) or LoRA shape them. */
  readonly shape: readonly number[];
}

/** Where the arrays of a branch's gate are named: shared gates are there once per kind. */
export function gateParameterPrefix(sharing: 'separate' | 'shared', branch: number): string {
  if (sharing === 'separate') return `branches.${branch}`;
  return branch % 2 === 0 ? 'shared.attention' : 'shared.mlp';
}

/** Where the map of a branch's stand-in is named. */
export function standInMapParameters(branch: number): { readonly down: string; readonly up: string } {
  return { down: `branches.${branch}.standInDown`, up: `branches.${branch}.standInUp` };
}

/**
 * What a trainer of these options trains, in the order of `Trainer.parameters`; the same on every backend:
 *
 * - gates: `branches.B.weight`, `.bias`, ... or `shared.attention.weight`, `shared.mlp.weight`, ..., as adapter files name them
 * - standIns: `branches.B.standIn` [d]; where the gates given have maps also `branches.B.standInDown` [rank, d], `.standInUp` [d, rank]
 * - lora: `layers.L.M.loraDown` [rank, columns], `layers.L.M.loraUp` [rows, rank]
 * - norms and backbone: the names of `tensorShapes`
 */
export function trainerParameters(
  config: ModelConfig,
  options: Pick<TrainerOptions, 'gates' | 'lora' | 'trainable'>,
): ParameterDescription[] {
  const { gates, lora } = options;
  const wanted = new Set(options.trainable);
  const found: ParameterDescription[] = [];
  const tensors = tensorShapes(config);
  if (wanted.has('gates') && gates !== undefined) {
    const shapes = Object.entries(gateParameterShapes(gates.spec, gates.hiddenSize));
    const owners = gates.spec.sharing === 'shared' ? 2 : branchCount(config);
    for (let branch = 0; branch < owners; branch++) {
      const prefix = gateParameterPrefix(gates.spec.sharing, branch);
      for (const [field, shape] of shapes) found.push({ name: `${prefix}.${field}`, group: 'gates', shape });
    }
  }
  if (wanted.has('standIns')) {
    const d = config.hiddenSize;
    const rank = gates === undefined ? 0 : standInRank(gates);
    for (let branch = 0; branch < branchCount(config); branch++) {
      found.push({ name: `branches.${branch}.standIn`, group: 'standIns', shape: [d] });
      if (rank === 0) continue;
      const { down, up } = standInMapParameters(branch);
      found.push({ name: down, group: 'standIns', shape: [rank, d] }, { name: up, group: 'standIns', shape: [d, rank] });
    }
  }
  if (wanted.has('lora') && lora !== undefined) {
    for (let layer = 0; layer < config.layers; layer++) {
      for (const matrix of LAYER_MATRICES.filter((name) => lora.matrices.includes(name))) {
        const [rows, columns] = tensors.get(`layers.${layer}.${matrix}`)!;
        found.push({ name: `layers.${layer}.${matrix}.loraDown`, group: 'lora', shape: [lora.rank, columns] });
        found.push({ name: `layers.${layer}.${matrix}.loraUp`, group: 'lora', shape: [rows, lora.rank] });
      }
    }
  }
  for (const group of ['norms', 'backbone'] as const) {
    if (!wanted.has(group)) continue;
    for (const [name, shape] of tensors) if (/norm$/i.test(name) === (group === 'norms')) found.push({ name, group, shape });
  }
  return found;
}

/**
 * Start of `down` of one matrix: normal numbers of deviation 1 / sqrt(columns), so that `down x` has the size of x's
 * entries. A function of the seed, the layer and the matrix alone.
 *
 * @returns [rank, columns]
 */
export function drawLoraDown(seed: number, layer: number, matrix: LayerMatrix, rank: number, columns: number): Float32Array {
  const index = LAYER_MATRICES.indexOf(matrix);
  if (index < 0) throw new InvalidArgumentError(`Matrix ${String(matrix)} is not known.`, `Known: ${LAYER_MATRICES.join(', ')}.`);
  const uniform = uniformSource(
    (Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) + Math.imul(layer * LAYER_MATRICES.length + index + 1, 0x85ebca77)) >>> 0,
  );
  const values = new Float32Array(rank * columns);
  const deviation = 1 / Math.sqrt(columns);
  for (let i = 0; i < values.length; i++) {
    // Box-Muller, one of the pair.
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    values[i] = deviation * radius * Math.cos(2 * Math.PI * uniform());
  }
  return values;
}

/** In place: W += scale * up down. W [rows, columns], down [rank, columns], up [rows, rank]. */
export function mergeLora(weight: Float32Array, down: Float32Array, up: Float32Array, rank: number, scale: number): void {
  const rows = up.length / rank;
  const columns = down.length / rank;
  if (rows * columns !== weight.length)
    throw new InvalidArgumentError(`Low-rank factors for [${rows}, ${columns}] do not fit a weight of ${weight.length} numbers.`);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += up[row * rank + k]! * down[k * columns + column]!;
      weight[row * columns + column]! += scale * sum;
    }
  }
}

/** Uniform in (0, 1): a Weyl sequence through the 32-bit murmur3 finaliser. */
function uniformSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let h = state;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (((h ^ (h >>> 16)) >>> 0) + 0.5) / 4294967296;
  };
}
