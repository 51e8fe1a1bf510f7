import { InvalidArgumentError } from '@gateskip/errors';
import { TooLittleTextError } from '../errors.js';

/** Shorter pieces tell little: most of their tokens see no context. */
export const MIN_WINDOW = 16;

export interface Windows {
  /** For the regression, the stand-ins and the branch weights. */
  readonly fit: readonly Int32Array[];
  /** For regularisation and the report's qualities. */
  readonly heldOut: readonly Int32Array[];
  readonly tokens: number;
}

/**
 * Cuts sequences into windows of at most `length` tokens; shorter ends than {@link MIN_WINDOW} are left out.
 *
 * @throws InvalidArgumentError for tokens outside the vocabulary, TooLittleTextError below `needed` tokens
 */
export function cutPieces(
  sequences: readonly Int32Array[],
  options: { length: number; needed: number; vocabularySize: number },
): Int32Array[] {
  const { length, needed, vocabularySize } = options;
  const all: Int32Array[] = [];
  let available = 0;
  for (const sequence of sequences) {
    const bad = sequence.findIndex((token) => token < 0 || token >= vocabularySize);
    if (bad >= 0) {
      throw new InvalidArgumentError(
        `Token ${sequence[bad]} of the calibration text is outside the vocabulary of ${vocabularySize}.`,
        "Tokenise with this model's tokenizer.",
        { what: 'sequences', expected: vocabularySize, got: sequence[bad] },
      );
    }
    for (let start = 0; start + MIN_WINDOW <= sequence.length; start += length) {
      const window = sequence.slice(start, start + length);
      if (window.length < MIN_WINDOW) continue;
      all.push(window);
      available += window.length;
    }
  }
  if (available < needed) throw new TooLittleTextError(needed, available, `pieces of at least ${MIN_WINDOW} tokens count`);
  return all;
}

/**
 * Cuts sequences into windows of at most `length` tokens, takes `wanted` tokens of them evenly over the whole text, and
 * sets every n-th window apart so that about `heldOutShare` of the tokens are held out.
 *
 * @throws InvalidArgumentError for tokens outside the vocabulary, TooLittleTextError
 */
export function cutWindows(
  sequences: readonly Int32Array[],
  options: { length: number; wanted: number; needed: number; heldOutShare: number; vocabularySize: number },
): Windows {
  const { wanted, heldOutShare } = options;
  const all = cutPieces(sequences, options);
  const chosen = spread(all, wanted);
  if (chosen.length < 2) return splitOne(chosen[0] as Int32Array, heldOutShare);

  const every = Math.max(2, Math.round(1 / heldOutShare));
  const fit: Int32Array[] = [];
  const heldOut: Int32Array[] = [];
  chosen.forEach((window, index) =>
    (index % every === every >> 1 || (chosen.length <= every >> 1 && index === 0) ? heldOut : fit).push(window),
  );
  return { fit, heldOut, tokens: count(chosen) };
}

export const count = (windows: readonly Int32Array[]): number => windows.reduce((sum, window) => sum + window.length, 0);

/** About `wanted` tokens in windows taken evenly over the list. At least one window. */
export function spread(windows: readonly Int32Array[], wanted: number): Int32Array[] {
  const total = count(windows);
  if (total <= wanted) return [...windows];
  const share = wanted / total;
  const chosen: Int32Array[] = [];
  let passed = 0;
  let taken = 0;
  for (const window of windows) {
    passed += window.length;
    if (passed * share >= taken + window.length / 2) {
      chosen.push(window);
      taken += window.length;
    }
  }
  return chosen.length > 0 ? chosen : [windows[0] as Int32Array];
}

function splitOne(window: Int32Array, heldOutShare: number): Windows {
  const cut = window.length - Math.max(MIN_WINDOW, Math.round(window.length * heldOutShare));
  return { fit: [window.slice(0, cut)], heldOut: [window.slice(cut)], tokens: window.length };
}
