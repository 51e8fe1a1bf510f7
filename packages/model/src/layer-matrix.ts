/** A matrix of a layer, as `tensorShapes` names it. */
export type LayerMatrix = 'query' | 'key' | 'value' | 'attentionOutput' | 'mlpGate' | 'mlpUp' | 'mlpDown';

/** All matrices of a layer, in the order in which a token meets them. */
export const layerMatrices: readonly LayerMatrix[] = ['query', 'key', 'value', 'attentionOutput', 'mlpGate', 'mlpUp', 'mlpDown'];
