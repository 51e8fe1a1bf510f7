import { createHash } from 'node:crypto';
import { ShapeMismatchError } from '@gateskip/errors';
import { checkNumber, checkWhole } from './checks.js';
import { TrainingTextTooShortError } from './errors.js';
import { tokensFingerprint } from './text-fingerprint.js';
import type { TrainingSequence } from './training-text.js';

export interface SplitOptions {
  /** Share of the groups that is held out, above 0 and at most 0.5: about the same share of the tokens. */
  readonly share: number;
  readonly seed: number;
  /** What must stay on one side, per sequence, e.g. the prompt that several answers share. Default: each text is a group. */
  readonly groups?: readonly string[];
}

export interface SplitText {
  readonly train: readonly TrainingSequence[];
  readonly heldOut: readonly TrainingSequence[];
}

/**
 * Sets some of the text apart. Where a group goes follows from its name and the seed alone: a text that grows later never
 * moves held-out sequences into training. At least one group is on each side; order stays.
 *
 * @throws InvalidArgumentError, ShapeMismatchError, TrainingTextTooShortError with fewer than two groups
 */
export function splitHeldOut(sequences: readonly TrainingSequence[], { share, seed, groups }: SplitOptions): SplitText {
  checkNumber('share', share, Number.MIN_VALUE, 0.5);
  checkWhole('seed', seed, 0, 4_294_967_295);
  if (groups !== undefined && groups.length !== sequences.length)
    throw new ShapeMismatchError('groups', [sequences.length], [groups.length], 'Name the group of each sequence.');
  const places = sequences.map(({ tokens }, index) => placeOf(groups?.[index] ?? tokensFingerprint(tokens), seed));
  const lowest = places.reduce((low, place) => Math.min(low, place), 1);
  const highest = places.reduce((high, place) => Math.max(high, place), -1);
  if (lowest >= highest) {
    const tokens = sequences.reduce((sum, sequence) => sum + sequence.tokens.length, 0);
    throw new TrainingTextTooShortError(Math.min(1, sequences.length), tokens);
  }
  const isHeldOut = (index: number): boolean => {
    const place = places[index] as number;
    return place === lowest || (place < share && place !== highest);
  };
  return { train: sequences.filter((_, index) => !isHeldOut(index)), heldOut: sequences.filter((_, index) => isHeldOut(index)) };
}

/** In [0, 1), evenly spread over names. */
function placeOf(group: string, seed: number): number {
  return createHash('sha256').update(`held-out ${seed} ${group}`).digest().readUIntBE(0, 6) / 2 ** 48;
}
