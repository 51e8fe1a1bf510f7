import type { Runner } from '@gateskip/backend';

/** How much goes into one step. Changes speed; results only for policies that rank rows of a step (`fraction`, `quantile`). */
export interface StepLimits {
  /** Most rows of one step. */
  readonly maxRows: number;
  /** Most rows of one sequence in one step: fixed, so that neither batch mates nor their number decide how a text is cut. */
  readonly chunkRows: number;
  /** Most rows with logits in one step. */
  readonly maxOutputs: number;
  /** K/V rows of one layer that texts under way may take. */
  readonly maxTokens: number;
  readonly maxSequences: number;
}

export const DEFAULT_MAX_ROWS = 512;
/** Full logits of one step. */
const MAX_LOGIT_BYTES = 128 * 1024 * 1024;
const MAX_SEQUENCES = 64;

export function stepLimits(runner: Runner, maxRows: number = DEFAULT_MAX_ROWS): StepLimits {
  const { vocabularySize, contextLength } = runner.config;
  const maxOutputs = Math.max(1, Math.floor(MAX_LOGIT_BYTES / (4 * vocabularySize)));
  return {
    maxRows,
    chunkRows: Math.max(1, Math.min(DEFAULT_MAX_ROWS, maxRows, maxOutputs)),
    maxOutputs,
    maxTokens: 4 * contextLength,
    maxSequences: MAX_SEQUENCES,
  };
}
