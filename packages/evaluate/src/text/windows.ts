import { InvalidArgumentError } from '@gateskip/errors';
import type { ScoredText } from '../items/item.js';

export interface Window extends ScoredText {
  /** Index of its first scored token in the whole text. */
  readonly start: number;
}

/**
 * A sliding window over a text: every token but the first is scored once, with at least `window - stride` tokens before
 * it where there are that many.
 *
 * @param window tokens that one window holds, the scored ones included
 * @param stride tokens by which it moves on: 1 to `window`
 */
export function slidingWindows(tokens: Int32Array, window: number, stride: number): Window[] {
  if (!Number.isInteger(window) || window < 2) throw new InvalidArgumentError(`A window has 2 tokens at least, got ${window}.`);
  if (!Number.isInteger(stride) || stride < 1 || stride >= window)
    throw new InvalidArgumentError(`The stride must be from 1 to ${window - 1} for a window of ${window}, got ${stride}.`);
  const windows: Window[] = [];
  let scored = 1;
  while (scored < tokens.length) {
    const end = scored === 1 ? Math.min(window, tokens.length) : Math.min(scored + stride, tokens.length);
    const begin = Math.max(0, end - window);
    windows.push({ tokens: tokens.subarray(begin, end), scoredFrom: scored - begin, start: scored });
    scored = end;
  }
  return windows;
}

/** Windows without overlap, to be compared from their first row on; the last may be shorter. */
export function sideBySide(tokens: Int32Array, window: number): Window[] {
  const windows: Window[] = [];
  for (let start = 0; start < tokens.length; start += window)
    windows.push({ tokens: tokens.subarray(start, start + window), scoredFrom: 0, start });
  return windows;
}
