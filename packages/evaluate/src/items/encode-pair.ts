import { UnsupportedError } from '@gateskip/errors';
import type { Tokenizer } from '@gateskip/model';
import { TextTooLongError } from '../errors.js';
import type { ScoredText } from './item.js';

/**
 * Tokens of `context + continuation`, cut where lm-evaluation-harness cuts them: white space at the context's end goes to
 * the continuation, both are encoded together, and the first `encode(context).length` tokens are the context. A begin
 * token is there where the model asks for one (SmolLM2 does not). Special tokens spelled in a text stay text.
 *
 * @throws UnsupportedError where nothing stands before the first scored token
 */
export function encodePair(tokenizer: Tokenizer, context: string, continuation: string): ScoredText {
  const trimmed = context.trimEnd();
  const whole = tokenizer.encode(wellFormed(context + continuation));
  let scoredFrom = tokenizer.encode(wellFormed(trimmed)).length;
  let tokens = whole;
  if (scoredFrom === 0 || tokens.length < 2) {
    const start = tokenizer.beginToken ?? tokenizer.endToken;
    if (start === undefined)
      throw new UnsupportedError('A text without context cannot be scored by a model that has neither a begin nor an end token.');
    tokens = Int32Array.of(start, ...whole);
    scoredFrom = Math.max(1, scoredFrom);
  }
  // Two encodings may differ where they meet; what is scored has one token at least.
  return { tokens, scoredFrom: Math.min(scoredFrom, tokens.length - 1) };
}

/**
 * Cuts tokens off the start where a text does not fit the context, as lm-evaluation-harness does. The last token is
 * scored but not run.
 *
 * @throws TextTooLongError where the scored part alone does not fit
 */
export function fitContext(text: ScoredText, contextLength: number, what: string): { text: ScoredText; cutTokens: number } {
  const { tokens, scoredFrom } = text;
  const cutTokens = Math.max(0, tokens.length - 1 - contextLength);
  if (cutTokens === 0) return { text, cutTokens };
  if (scoredFrom - cutTokens < 1) throw new TextTooLongError(what, tokens.length - scoredFrom, contextLength);
  return { text: { tokens: tokens.slice(cutTokens), scoredFrom: scoredFrom - cutTokens }, cutTokens };
}

/** Half a surrogate pair has no UTF-8 form. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD');
}
