import type { StandInMap } from '@gateskip/gate';
import type { Traces } from './collect-traces.js';
import { addRow } from './linear-fit.js';
import { mapOf } from './stand-in-maps.js';

/** What a row that skips a branch gets: `vector + map(x)`. */
export interface BranchStandIn {
  /** [d] */
  readonly vector: Float32Array;
  readonly map?: StandInMap;
}

/** Rows that the mean of few skipping rows is shrunk by: with n rows it counts n / (n + this). */
const SHRINKAGE_ROWS = 20;

/**
 * What a skipping row gets in place of the branch's output: the mean output over the rows whose score is at or below the
 * threshold, shrunk towards 0 where they are few.
 */
export function meanStandIn(traces: Traces, branch: number, scores: Float64Array, threshold: number): Float32Array {
  const outputs = traces.outputs[branch] as Float32Array;
  const sum = new Float64Array(traces.size);
  let skipping = 0;
  for (let row = 0; row < traces.fitRows; row++) {
    if ((scores[row] as number) > threshold) continue;
    addRow(sum, outputs, row * traces.size, 1);
    skipping++;
  }
  return Float32Array.from(sum, (value) => value / (skipping + SHRINKAGE_ROWS));
}

/**
 * How much a skip would change the stream: squared norm of what is lost, output minus stand-in, over the squared norm of
 * the stream, per traced row.
 */
export function relativeLoss(traces: Traces, branch: number, { vector, map }: BranchStandIn): Float64Array {
  const outputs = traces.outputs[branch] as Float32Array;
  const norms = traces.streamSquaredNorms[branch] as Float64Array;
  const { size } = traces;
  return Float64Array.from({ length: traces.rows }, (_, row) => {
    let sum = 0;
    const at = row * size;
    const added = map && mapOf(map, traces.inputs[branch] as Float32Array, at, size);
    for (let j = 0; j < size; j++) {
      const lost = (outputs[at + j] as number) - (vector[j] as number) - (added?.[j] ?? 0);
      sum += lost * lost;
    }
    // A stream of norm 0 is possible in made-up models only; then any change is a large one.
    return sum / Math.max(norms[row] as number, Number.MIN_VALUE * 2 ** 60);
  });
}
