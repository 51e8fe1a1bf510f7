import type { ProgramFrame } from '../data/read-records.js';

/** A text to be scored: log P(tokens from `scoredFrom` on | tokens before). */
export interface ScoredText {
  readonly tokens: Int32Array;
  /** Index of the first token whose log-probability counts; at least 1. */
  readonly scoredFrom: number;
}

interface ItemBase {
  /** Unique within its task. */
  readonly id: string;
  /** Of the texts as written, so that results of other texts are not taken for the same item. */
  readonly hash: string;
  readonly group?: string;
  /** Tokens cut off the start because they did not fit the context. */
  readonly cutTokens: number;
}

export interface ScoreItem extends ItemBase {
  readonly kind: 'score';
  /** One per choice, or the one text of `last-word`. */
  readonly texts: readonly ScoredText[];
  /** Characters (code points) of each choice, as lm-evaluation-harness counts them; none for `last-word`. */
  readonly lengths: readonly number[];
  /** Right choice; -1 for `last-word`. */
  readonly answer: number;
}

export interface GenerateItem extends ItemBase {
  readonly kind: 'generate';
  readonly tokens: Int32Array;
  /** At most what the context still holds. */
  readonly maxTokens: number;
  readonly answers: readonly string[];
  /** What stands around the text in the program that tests it. */
  readonly program?: ProgramFrame;
}

export type EvaluationItem = ScoreItem | GenerateItem;
