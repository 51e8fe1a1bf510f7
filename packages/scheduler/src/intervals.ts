import { InvalidArgumentError } from '@gateskip/errors';

/** After how many tokens of decoding the thresholds may change. A pure function of the position, never of a step's shape. */
export interface Intervals {
  /** Tokens from decode step `step` (0 = first token after the prompt) to the next change. */
  remaining(step: number): number;
}

const SHORTEST = 2;
const LONGEST = 16;
/** Decode steps that start with the shortest interval; it doubles each time the answer's length doubles. */
const FIRST_STAGE = 128;

/**
 * 2 tokens up to step 128, then 4 up to 256, 8 up to 512 and 16 from there: the share held is a mean over the answer so
 * far, so the longer the answer, the less one interval can move it.
 */
export const growingIntervals: Intervals = {
  remaining(step) {
    let interval = SHORTEST;
    for (let end = FIRST_STAGE; step >= end && interval < LONGEST; end *= 2) interval *= 2;
    return interval - (step % interval);
  },
};

/** The same interval everywhere. */
export function fixedIntervals(tokens: number): Intervals {
  return { remaining: (step) => tokens - (step % tokens) };
}

/** @throws InvalidArgumentError unless `growing` (also when undefined) or an integer in 1..1024 */
export function readIntervals(option: unknown): Intervals {
  if (option === undefined || option === 'growing') return growingIntervals;
  if (typeof option !== 'number' || !Number.isInteger(option) || option < 1 || option > 1024) {
    throw new InvalidArgumentError(
      `Policy option interval must be 'growing' or an integer in 1..1024, got ${JSON.stringify(option)}.`,
      '',
      { got: option },
    );
  }
  return fixedIntervals(option);
}
