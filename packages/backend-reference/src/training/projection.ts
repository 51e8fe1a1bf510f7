import { linear } from '../ops/linear.js';
import { linearBackward } from './linear-backward.js';
import type { Parameter } from './parameter.js';

/** Low-rank addition of a projection: down [rank, columns], up [rows, rank]. */
export interface LowRank {
  readonly down: Parameter;
  readonly up: Parameter;
  readonly rank: number;
  readonly scale: number;
}

/** y = W x + scale * up (down x), with W [rows, columns]; one row of x at a time. */
export class Projection {
  readonly rows: number;
  readonly #weight: Parameter;
  readonly #lowRank: LowRank | undefined;

  constructor(weight: Parameter, rows: number, lowRank?: LowRank) {
    this.rows = rows;
    this.#weight = weight;
    this.#lowRank = lowRank;
  }

  /** The same arrays with a share of the addition. */
  atStrength(strength: number): Projection {
    const low = this.#lowRank;
    return low === undefined || strength === 1 ? this : new Projection(this.#weight, this.rows, { ...low, scale: low.scale * strength });
  }

  /** Writes and returns y [rows]. */
  forward(x: Float64Array, y: Float64Array): Float64Array {
    linear(this.#weight.value, x, y);
    const low = this.#lowRank;
    if (low === undefined) return y;
    const inner = linear(low.down.value, x, new Float64Array(low.rank));
    const added = linear(low.up.value, inner, new Float64Array(this.rows));
    for (let i = 0; i < y.length; i++) y[i]! += low.scale * added[i]!;
    return y;
  }

  /** Adds to the gradients of what is trainable, and to `dx` [columns]. */
  backward(x: Float64Array, dy: Float64Array, dx: Float64Array): void {
    linearBackward(this.#weight.value, this.#weight.gradient, x, dy, dx);
    const low = this.#lowRank;
    if (low === undefined) return;
    const inner = linear(low.down.value, x, new Float64Array(low.rank));
    const dAdded = dy.map((slope) => low.scale * slope);
    const dInner = new Float64Array(low.rank);
    linearBackward(low.up.value, low.up.gradient, inner, dAdded, dInner);
    linearBackward(low.down.value, low.down.gradient, x, dInner, dx);
  }
}
