import { seededRandom } from '../items/random.js';
import { mean } from './mean.js';

/** A difference with its 95 % percentile interval and standard error, by bootstrap over pairs. */
export interface PairedDifference {
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  readonly standardError: number;
  readonly items: number;
}

const RESAMPLES = 2000;

/**
 * Of a statistic of `a` minus that of `b`: pairs are drawn with replacement, both sides with the same draw.
 *
 * @param a one row of numbers per item
 * @param b of the same items, in the same order
 */
export function pairedBootstrap<T>(
  a: readonly T[],
  b: readonly T[],
  statistic: (rows: readonly T[]) => number,
  seed: number,
): PairedDifference {
  const items = a.length;
  const random = seededRandom(seed);
  const drawnA = new Array<T>(items);
  const drawnB = new Array<T>(items);
  const differences: number[] = [];
  for (let resample = 0; resample < RESAMPLES; resample++) {
    for (let index = 0; index < items; index++) {
      const chosen = Math.floor(random() * items);
      drawnA[index] = a[chosen] as T;
      drawnB[index] = b[chosen] as T;
    }
    differences.push(statistic(drawnA) - statistic(drawnB));
  }
  return { difference: statistic(a) - statistic(b), ...intervalOf(differences), items };
}

/** Standard error of a statistic by bootstrap over its blocks. */
export function blockBootstrap<T>(blocks: readonly T[], statistic: (rows: readonly T[]) => number, seed: number): number {
  if (blocks.length < 2) return 0;
  const random = seededRandom(seed);
  const drawn = new Array<T>(blocks.length);
  const values: number[] = [];
  for (let resample = 0; resample < RESAMPLES; resample++) {
    for (let index = 0; index < blocks.length; index++) drawn[index] = blocks[Math.floor(random() * blocks.length)] as T;
    values.push(statistic(drawn));
  }
  return intervalOf(values).standardError;
}

function intervalOf(values: number[]): { low: number; high: number; standardError: number } {
  const sorted = values.sort((x, y) => x - y);
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const low = sorted[below] as number;
    return low + (place - below) * ((sorted[Math.min(below + 1, sorted.length - 1)] as number) - low);
  };
  const middle = mean(sorted);
  const deviation = Math.sqrt(sorted.reduce((sum, value) => sum + (value - middle) ** 2, 0) / Math.max(1, sorted.length - 1));
  return { low: at(0.025), high: at(0.975), standardError: deviation };
}
