import { attentionCoreMacs, branchKind, type KvMode, rowCosts } from '@gateskip/gate';
import type { ModelConfig } from '@gateskip/model';

/**
 * MACs that a skipping row saves in a branch, its stand-in paid and its gate not counted, at the mean context of a micro-batch: [2L].
 *
 * @param standInMacs of one skipping row in one branch
 */
export function branchSavings(config: ModelConfig, kv: KvMode, standInMacs: number, segmentLengths: Int32Array): Float64Array {
  let rows = 0;
  let visible = 0;
  for (const length of segmentLengths) {
    rows += length;
    visible += (length * (length + 1)) / 2;
  }
  const costs = rowCosts(config);
  const attention = costs.attentionProjections + attentionCoreMacs(config, visible / rows) - (kv === 'project' ? costs.kvProjections : 0);
  return Float64Array.from(
    { length: 2 * config.layers },
    (_, branch) => (branchKind(branch) === 'attention' ? attention : costs.mlp) - standInMacs,
  );
}
