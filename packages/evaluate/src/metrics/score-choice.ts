/** Index of the highest value, the first among equals. */
export function highest(values: readonly number[]): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if ((values[index] as number) > (values[best] as number)) best = index;
  return best;
}

export interface ChoiceScore {
  readonly choice: number;
  /** The likeliest per character. */
  readonly choiceNorm: number;
}

/**
 * @param logprobs log-probability of each choice
 * @param lengths characters of each choice
 */
export function scoreChoice(logprobs: readonly number[], lengths: readonly number[]): ChoiceScore {
  return {
    choice: highest(logprobs),
    choiceNorm: highest(logprobs.map((logprob, index) => logprob / Math.max(1, lengths[index] as number))),
  };
}
