import { InvalidArgumentError } from '@gateskip/errors';
import { sideBySide, slidingWindows, type Window } from '../text/windows.js';
import { describeText } from './describe-data.js';
import type { PreparedText } from './prepare-text.js';
import type { TextDescription } from './results.js';

/** A text with the windows in which it is read. */
export interface TextSetting {
  readonly text: PreparedText;
  /** Tokens of a window; default 1024, or the context where that is shorter. */
  readonly window?: number;
  /** Tokens by which it moves on; default half a window. Agreement has windows side by side instead. */
  readonly stride?: number;
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

/** @throws InvalidArgumentError */
export function planAgreement({ text, window: asked }: TextSetting, contextLength: number): TextPlan {
  const window = asked ?? Math.min(DEFAULT_WINDOW, contextLength);
  checkWindow(window, contextLength);
  return { text, windows: sideBySide(text.tokens, window), description: describeText(text, window, window) };
}

function checkWindow(window: number, most: number): void {
  if (!Number.isInteger(window) || window < 2 || window > most)
    throw new InvalidArgumentError(`A window may have 2 to ${most} tokens, got ${window}.`, 'Give another --window.');
}
