import type { EvaluationItem } from '../items/item.js';
import type { Window } from '../text/windows.js';

/** A decode step takes about as long as this many rows of a prompt. */
const ROWS_PER_DECODE_STEP = 4;

/** How much an item is, in rows of a prompt. An estimate: for the time left only. */
export function workOf(item: EvaluationItem): number {
  if (item.kind === 'generate') return item.tokens.length + ROWS_PER_DECODE_STEP * item.maxTokens;
  const [first] = item.texts;
  return item.texts.reduce((sum, { tokens, scoredFrom }) => sum + tokens.length - scoredFrom, first?.scoredFrom ?? 0);
}

export const workOfWindow = (window: Window): number => window.tokens.length;
