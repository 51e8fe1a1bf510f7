import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import { sideBySide, slidingWindows, type Window } from '../text/windows.js';
import { describeText } from './describe-data.js';
import type { PreparedText } from './prepare-text.js';
import type { TextDescription } from './results.js';

/** A text with the windows in which it is read. */
export interface TextSetting {
  readonly text: PreparedText;
  /** Tokens of a window; default 1024, or the context where that is shorter. */
  readonly window?: number;
  /** Tokens by which it moves on; default half a window. */
  readonly stride?: number;
}

/** Agreement has windows side by side. */
export interface AgreementSetting extends Omit<TextSetting, 'stride'> {
  /**
   * Of each window the first row that is compared, for texts whose beginning nobody predicts (a prompt before an answer); it is run
   * all the same, and counts in `held`, not in `heldCompared`. Default: 0 throughout, all rows.
   */
  readonly scoredFrom?: readonly number[];
}

export interface TextPlan {
  readonly text: PreparedText;
  readonly windows: readonly Window[];
  readonly description: TextDescription;
}

const DEFAULT_WINDOW = 1024;

/** @throws InvalidArgumentError */
export function planPerplexity(setting: TextSetting, contextLength: number): TextPlan {
  // The last token of a window is scored and not run.
  const { text, window = Math.min(DEFAULT_WINDOW, contextLength + 1) } = setting;
  const { stride = Math.max(1, Math.floor(window / 2)) } = setting;
  checkWindow(window, contextLength + 1);
  return { text, windows: slidingWindows(text.tokens, window, stride), description: describeText(text, window, stride) };
}

/** @throws InvalidArgumentError, ShapeMismatchError */
export function planAgreement({ text, window: asked, scoredFrom }: AgreementSetting, contextLength: number): TextPlan {
  const window = asked ?? Math.min(DEFAULT_WINDOW, contextLength);
  checkWindow(window, contextLength);
  const windows = sideBySide(text.tokens, window);
  const description = { ...describeText(text, window, window), ...(scoredFrom && { scoredFrom }) };
  if (scoredFrom === undefined) return { text, windows, description };
  if (scoredFrom.length !== windows.length) throw new ShapeMismatchError('scoredFrom', [windows.length], [scoredFrom.length]);
  for (const [index, from] of scoredFrom.entries()) {
    const { length } = windows[index]!.tokens;
    if (!Number.isInteger(from) || from < 0 || from >= length)
      throw new InvalidArgumentError(`scoredFrom of window ${index} must be an integer in 0..${length - 1}, got ${from}.`, '', {
        what: 'scoredFrom',
        got: from,
      });
  }
  return { text, windows: windows.map((each, index) => ({ ...each, scoredFrom: scoredFrom[index]! })), description };
}

function checkWindow(window: number, most: number): void {
  if (!Number.isInteger(window) || window < 2 || window > most)
    throw new InvalidArgumentError(`A window may have 2 to ${most} tokens, got ${window}.`, 'Give another --window.');
}
