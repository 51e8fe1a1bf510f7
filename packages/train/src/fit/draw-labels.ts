import { randomScore } from '@gateskip/gate';
import type { TeacherRows } from '../data/training-text.js';

/**
 * One token for every row, drawn from what the dense model expects there: of its K likeliest tokens, as if there were no others.
 *
 * @param seed the same seed draws the same tokens
 */
export function drawLabels({ count, tokens, logProbabilities, tailMass }: TeacherRows, seed: number): Int32Array {
  return Int32Array.from(tailMass, (_, row) => {
    const first = row * count;
    let all = 0;
    for (let k = 0; k < count; k++) all += Math.exp(logProbabilities[first + k]!);
    let left = randomScore(seed, row, 0) * all;
    let k = 0;
    for (; k < count - 1; k++) {
      left -= Math.exp(logProbabilities[first + k]!);
      if (left < 0) break;
    }
    return tokens[first + k]!;
  });
}
