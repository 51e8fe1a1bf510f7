import type { ModelConfig } from './model-config.js';

/**
 * Canonical tensor names and their shapes [rows, columns]. `output` is absent where embeddings are tied.
 *
 * Per layer i: `layers.i.attentionNorm`, `.query`, `.key`, `.value`, `.attentionOutput`, `.mlpNorm`, `.mlpGate`,
 * `.mlpUp`, `.mlpDown`.
 */
export function tensorShapes(config: ModelConfig): Map<string, readonly [rows: number, columns: number]> {
  const d = config.hiddenSize;
  const q = config.heads * config.headSize;
  const kv = config.kvHeads * config.headSize;
  const ff = config.intermediateSize;
  const shapes = new Map<string, readonly [number, number]>();
  shapes.set('tokenEmbedding', [config.vocabularySize, d]);
  for (let layer = 0; layer < config.layers; layer++) {
    shapes.set(`layers.${layer}.attentionNorm`, [1, d]);
    shapes.set(`layers.${layer}.query`, [q, d]);
    shapes.set(`layers.${layer}.key`, [kv, d]);
    shapes.set(`layers.${layer}.value`, [kv, d]);
    shapes.set(`layers.${layer}.attentionOutput`, [d, q]);
    shapes.set(`layers.${layer}.mlpNorm`, [1, d]);
    shapes.set(`layers.${layer}.mlpGate`, [ff, d]);
    shapes.set(`layers.${layer}.mlpUp`, [ff, d]);
    shapes.set(`layers.${layer}.mlpDown`, [d, ff]);
  }
  shapes.set('outputNorm', [1, d]);
  if (!config.tiedEmbeddings) shapes.set('output', [config.vocabularySize, d]);
  return shapes;
}
