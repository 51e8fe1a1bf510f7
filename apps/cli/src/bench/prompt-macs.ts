import { attentionCoreMacs, type ModelShape, rowCosts } from '@gateskip/gate';

/** Layer MACs of the dense model for a prompt of `tokens`, each row seeing those before it and itself. */
export function promptLayerMacs(shape: ModelShape, tokens: number): number {
  const { attentionProjections, mlp } = rowCosts(shape);
  const visible = (tokens * (tokens + 1)) / 2;
  return shape.layers * (tokens * (attentionProjections + mlp) + attentionCoreMacs(shape, visible));
}

/** Share of the dense MACs that remain when the layers spend `net` of theirs: the head of the last row is always paid. */
export function promptMacsLeft(shape: ModelShape, tokens: number, net: number): number {
  const layers = promptLayerMacs(shape, tokens);
  const { head } = rowCosts(shape);
  return (net * layers + head) / (layers + head);
}
