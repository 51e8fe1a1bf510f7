/** An array that may be trained. */
export interface Parameter {
  readonly value: Float32Array;
  /** Absent where it is frozen. */
  readonly gradient: Float64Array | undefined;
}
