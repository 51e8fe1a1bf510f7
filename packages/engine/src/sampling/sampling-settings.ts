import { MAX_TOP_LOGITS } from '@gateskip/backend';

/** {@link SamplingOptions} with every default filled in. */
export interface SamplingSettings {
  /** 0 = greedy. */
  readonly temperature: number;
  /** 0 = off. */
  readonly topK: number;
  /** 1 = off. */
  readonly topP: number;
  /** 0 = off. */
  readonly minP: number;
  /** 1 = off. */
  readonly repetitionPenalty: number;
  readonly repetitionWindow: number;
  readonly seed: number;
}

/**
 * How many leading logits are enough to sample and to report `logprobs`; 0 = all of them are needed.
 * A token is chosen from the same candidates either way, so the answer never depends on which was asked.
 */
export function leadingLogitsNeeded(sampling: SamplingSettings, logprobs: number | undefined, vocabularySize: number): number {
  if (sampling.repetitionPenalty !== 1) return 0;
  const chosenFrom = sampling.temperature === 0 ? 1 : sampling.topK;
  if (chosenFrom === 0 || chosenFrom > MAX_TOP_LOGITS) return 0;
  return Math.min(Math.max(chosenFrom, logprobs ?? 0), vocabularySize);
}
