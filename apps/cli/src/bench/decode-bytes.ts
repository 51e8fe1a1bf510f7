import type { GenerationTrace } from '@gateskip/engine';
import { type GateSet, type KvMode, standInRank } from '@gateskip/gate';
import type { Model } from '@gateskip/model';

/** Stored bytes of a model's parts, as a decode step reads them. */
export interface StoredBytes {
  /** [2L] */
  readonly branches: readonly number[];
  /** Key and value projections of each layer: what a token that skips attention still reads with kv mode `project`. [L] */
  readonly kvProjections: readonly number[];
  /** The head and the norms that every token passes. */
  readonly always: number;
  /** One K/V row of one layer. */
  readonly kvRow: number;
  /** Stand-in of one skipped branch, its map as adapter files keep it. */
  readonly standIn: number;
}

/** Bytes of one head of a K/V row, as keys or as values, by the format that a backend reports; 8-bit heads have a float32 scale. */
function kvHeadBytes(headSize: number, kvFormat: unknown): number {
  if (kvFormat === 'q8') return headSize + 4;
  return headSize * (kvFormat === 'f16' ? 2 : 4);
}

/** @param kvFormat what the backend's details call the format of its K/V rows; float32 where they do not say */
export function storedBytesOf(model: Model, kvFormat: unknown, gates: GateSet | undefined): StoredBytes {
  const { config } = model;
  const bytesOf = (name: string): number => {
    const data = model.tensors.get(name)?.data;
    if (!data) return 0;
    return data.kind === 'file' ? data.sizeBytes : data.bytes.byteLength;
  };
  const sum = (layer: number, names: readonly string[]): number =>
    names.reduce((total, name) => total + bytesOf(`layers.${layer}.${name}`), 0);
  const branches: number[] = [];
  const kvProjections: number[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    branches.push(sum(layer, ['attentionNorm', 'query', 'key', 'value', 'attentionOutput']));
    branches.push(sum(layer, ['mlpNorm', 'mlpGate', 'mlpUp', 'mlpDown']));
    kvProjections.push(sum(layer, ['attentionNorm', 'key', 'value']));
  }
  const always = bytesOf('outputNorm') + bytesOf(config.tiedEmbeddings ? 'tokenEmbedding' : 'output');
  return {
    branches,
    kvProjections,
    always,
    kvRow: 2 * config.kvHeads * kvHeadBytes(config.headSize, kvFormat),
    standIn: gates?.standIns === undefined ? 0 : config.hiddenSize * (4 + 2 * 2 * standInRank(gates)),
  };
}

/**
 * Bytes of weights and K/V rows that a decode step reads, on average over the answer of a traced run. One token's embedding row
 * is too little to count.
 */
export function decodeBytesPerToken(trace: GenerationTrace, stored: StoredBytes, kv: KvMode): number {
  const { branches, kept, tokens, promptTokens } = trace;
  const layers = branches / 2;
  let total = 0;
  /** K/V rows so far, per layer; the alias mode's rows are the ones below, where there are any. */
  const visible = new Float64Array(layers);
  for (let position = 0; position < tokens.length; position++) {
    let below = true;
    for (let layer = 0; layer < layers; layer++) {
      const attends = kept[position * branches + 2 * layer] === 1;
      const hasMlp = kept[position * branches + 2 * layer + 1] === 1;
      const hasRow: boolean = attends || kv === 'project' || (kv === 'alias' && (layer === 0 || below));
      below = hasRow;
      if (hasRow) visible[layer] = (visible[layer] as number) + 1;
      if (position < promptTokens) continue;
      if (attends) total += (stored.branches[2 * layer] as number) + (visible[layer] as number) * stored.kvRow;
      else if (kv === 'project' || (kv === 'alias' && layer === 0)) total += stored.kvProjections[layer] as number;
      total += (Number(!attends) + Number(!hasMlp)) * stored.standIn;
      if (hasMlp) total += stored.branches[2 * layer + 1] as number;
    }
    if (position >= promptTokens) total += stored.always;
  }
  return total / Math.max(1, tokens.length - promptTokens);
}
