import type { FloatArray } from '@gateskip/gate';
import type { LayerMatrix } from '../layer-matrix.js';
import type { ModelConfig } from '../model-config.js';
import { tensorShapes } from '../tensor-names.js';

/** The two factors of an addition to one matrix [out, in]. */
export interface LoraFactors {
  /** [rank, in] */
  readonly down: FloatArray;
  /** [out, rank] */
  readonly up: FloatArray;
}

/**
 * Low-rank additions to matrices (Hu et al., 2021): `y = W x + (alpha / rank) up (down x)`, for every token that the
 * matrix is computed for; W is as the model file has it.
 */
export interface LoraChanges {
  /** 1..512, and at most the smaller side of each matrix. */
  readonly rank: number;
  readonly alpha: number;
  /** Which matrices have additions, the same in every layer. */
  readonly matrices: readonly LayerMatrix[];
  /** Per layer: the factors of exactly those matrices. */
  readonly layers: readonly Partial<Readonly<Record<LayerMatrix, LoraFactors>>>[];
}

/**
 * What an adapter changes in the model itself. It holds in every step, also in one that skips nothing, but for the share of the low-rank
 * additions that a plan takes away (`Plan.loraStrength`).
 */
export interface BackboneChanges {
  readonly lora?: LoraChanges;
  /** Norm weights [d] that take the place of the file's: `layers.L.attentionNorm`, `layers.L.mlpNorm`, `outputNorm`. */
  readonly norms?: ReadonlyMap<string, Float32Array>;
}

/** Largest rank that is read, written and run. */
export const maxLoraRank = 512;

/** Names of the norms of a model, in its order. */
export function normNames(layers: number): string[] {
  const names: string[] = [];
  for (let layer = 0; layer < layers; layer++) names.push(`layers.${layer}.attentionNorm`, `layers.${layer}.mlpNorm`);
  return [...names, 'outputNorm'];
}

/** Where the factors of a matrix lie in an adapter file, and as a trainer names them. */
export const loraNames = (layer: number, matrix: LayerMatrix): { readonly down: string; readonly up: string } => ({
  down: `layers.${layer}.${matrix}.loraDown`,
  up: `layers.${layer}.${matrix}.loraUp`,
});

/** Multiply-adds that low-rank additions cost one row in one layer, by what computes them. */
export interface LoraRowCosts {
  /** Query, key, value and output. */
  readonly attention: number;
  /** Key and value alone: what a row that skips attention still pays with kv mode `project`. */
  readonly keyValue: number;
  /** Gate, up and down. */
  readonly mlp: number;
}

/** `rank (in + out)` of every matrix that has an addition. */
export function loraRowCosts(config: ModelConfig, lora: Pick<LoraChanges, 'rank' | 'matrices'> | undefined): LoraRowCosts {
  const costs = { attention: 0, keyValue: 0, mlp: 0 };
  const shapes = tensorShapes(config);
  for (const matrix of lora?.matrices ?? []) {
    const [rows, columns] = shapes.get(`layers.0.${matrix}`) as readonly [number, number];
    const macs = (lora?.rank ?? 0) * (rows + columns);
    if (matrix.startsWith('mlp')) costs.mlp += macs;
    else costs.attention += macs;
    if (matrix === 'key' || matrix === 'value') costs.keyValue += macs;
  }
  return costs;
}
