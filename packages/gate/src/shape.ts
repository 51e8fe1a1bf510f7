/**
 * Sizes of a decoder-only transformer, as far as costs and gates need them.
 *
 * Branches are numbered `2 * layer` (attention) and `2 * layer + 1` (MLP).
 */
export interface ModelShape {
  readonly layers: number;
  /** Width of the residual stream, d. */
  readonly hiddenSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Inner width of the gated MLP, ff. */
  readonly intermediateSize: number;
  readonly vocabularySize: number;
}

export type BranchKind = 'attention' | 'mlp';

export const branchCount = (shape: Pick<ModelShape, 'layers'>): number => 2 * shape.layers;
export const branchKind = (branch: number): BranchKind => (branch % 2 === 0 ? 'attention' : 'mlp');
export const branchLayer = (branch: number): number => branch >> 1;
