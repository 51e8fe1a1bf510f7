/** K (rotated) and V of one token, [kvHeads * headSize] each, and the gradients that flow back into them. */
export interface KeyValue {
  readonly key: Float64Array;
  readonly value: Float64Array;
  readonly dKey: Float64Array;
  readonly dValue: Float64Array;
}

export function createKeyValue(width: number): KeyValue {
  return {
    key: new Float64Array(width),
    value: new Float64Array(width),
    dKey: new Float64Array(width),
    dValue: new Float64Array(width),
  };
}

/** What one layer's rows left behind: an alias is the same object as the row of the layer below. */
export interface LayerKeyValues {
  /** [N] */
  readonly rows: (KeyValue | undefined)[];
  /** 1 = the row was projected at this layer, so that gradients into it end here: [N]. */
  readonly projected: Uint8Array;
}
