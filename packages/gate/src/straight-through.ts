import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import type { FloatArray } from './float-array.js';
import { logisticSlope } from './logistic.js';
import { applyStandIn, applyStandInBackward } from './stand-in.js';

export interface StraightThroughInput<A extends FloatArray> {
  /** What a kept row adds, gate applied, of every row: [rows, d]. */
  readonly branch: A;
  /** [d]; absent: a skipped row adds nothing. */
  readonly standIn?: FloatArray;
  /** [rows] */
  readonly score: FloatArray;
  /** A row skips where score <= threshold. */
  readonly threshold: number;
  /** Rows that never skip: [rows]. They get no gradient through the score. */
  readonly pinned?: Uint8Array;
  /**
   * Absent: `dkept/dscore = 1`, the plain straight-through estimator. A number T > 0: the slope of
   * `σ((score - threshold) / T)`, so that rows near the threshold learn most.
   */
  readonly temperature?: number;
  readonly rows: number;
  readonly d: number;
}

export interface StraightThroughResult<A extends FloatArray> {
  /** [rows, d] */
  readonly output: A;
  /** [rows] */
  readonly kept: Uint8Array;
  /**
   * `dL/dscore = dkept/dscore · Σ_i dL/dy_i (branch_i - standIn_i)`: what keeping the row rather than skipping it would
   * have done to the loss. Branch and stand-in get their exact gradients.
   */
  backward(upstream: A): { readonly branch: A; readonly standIn: Float64Array; readonly score: Float64Array };
}

/** Hard skip forward, gradient through the score backward (straight-through estimator, Bengio et al. 2013). */
export function straightThrough<A extends FloatArray>(input: StraightThroughInput<A>): StraightThroughResult<A> {
  const { branch, standIn, score, threshold, pinned, temperature, rows, d } = input;
  if (score.length !== rows) throw new ShapeMismatchError('Scores', [rows], [score.length]);
  if (pinned !== undefined && pinned.length !== rows) throw new ShapeMismatchError('Pinned flags', [rows], [pinned.length]);
  if (temperature !== undefined && !(temperature > 0)) throw new InvalidArgumentError(`temperature must be above 0, got ${temperature}.`);
  const kept = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) kept[row] = pinned?.[row] || !(score[row]! <= threshold) ? 1 : 0;
  const output = applyStandIn(branch, kept, standIn, rows, d);
  return {
    output,
    kept,
    backward(upstream) {
      const exact = applyStandInBackward(upstream, kept, rows, d);
      const dScore = new Float64Array(rows);
      for (let row = 0; row < rows; row++) {
        if (pinned?.[row]) continue;
        let difference = 0;
        for (let i = 0; i < d; i++) difference += upstream[row * d + i]! * (branch[row * d + i]! - (standIn?.[i] ?? 0));
        const slope = temperature === undefined ? 1 : logisticSlope((score[row]! - threshold) / temperature) / temperature;
        dScore[row] = slope * difference;
      }
      return { branch: exact.branch, standIn: exact.standIn, score: dScore };
    },
  };
}
