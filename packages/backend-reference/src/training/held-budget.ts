import type { GateOutput } from '@gateskip/gate';
import type { GatedBranch } from './gated-branch.js';

/** Of one branch, by row: [N]; pinned rows are 0. See `StraightThroughOptions.savings`. */
export interface HeldScores {
  readonly gate: GateOutput<Float64Array>;
  /** The slope times what keeping the row is worth. */
  readonly gains: Float64Array;
  /** The slope times what skipping it saves. */
  readonly saved: Float64Array;
}

/**
 * Scores of all branches share the price of a MAC, so their gates follow when the backward of the last branch is done.
 *
 * @param segmentStart first row of each row's segment: [N]
 */
export function holdBudgets(branches: readonly GatedBranch[], segmentStart: Int32Array): void {
  const gains = new Float64Array(segmentStart.length);
  const saved = new Float64Array(segmentStart.length);
  for (const { held } of branches) {
    for (const [row, segment] of segmentStart.entries()) {
      gains[segment]! += held?.gains[row] ?? 0;
      saved[segment]! += held?.saved[row] ?? 0;
    }
  }
  for (const branch of branches) {
    const { held } = branch;
    if (held === undefined) continue;
    const scores = held.gains.map((gain, row) => {
      const segment = segmentStart[row]!;
      const price = saved[segment] === 0 ? 0 : gains[segment]! / saved[segment]!;
      return gain - price * held.saved[row]!;
    });
    branch.scoreBackward(held, scores);
  }
}
