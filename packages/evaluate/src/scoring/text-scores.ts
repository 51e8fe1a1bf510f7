import { LogitsNotFiniteError } from '../errors.js';
import type { ScoredText } from '../items/item.js';

/** Log-probabilities of a text's scored tokens, in order. */
export interface TokenScores {
  readonly logprobs: Float64Array;
  /** Whether greedy decoding would write all of them. */
  readonly isGreedy: boolean;
}

/** Gathers a text's scores token by token. */
export class TextScores {
  readonly #text: ScoredText;
  readonly #logprobs: Float64Array;
  #isGreedy = true;

  constructor(text: ScoredText) {
    this.#text = text;
    this.#logprobs = new Float64Array(text.tokens.length - text.scoredFrom).fill(Number.NaN);
  }

  /** Whether the token at `position` is one of those scored. */
  scores(position: number): boolean {
    return position >= this.#text.scoredFrom && position < this.#text.tokens.length;
  }

  /** @param likeliest token that the model would rather have at the scored `position`, or the same */
  take(position: number, logprob: number, likeliest: number): void {
    if (!Number.isFinite(logprob)) throw new LogitsNotFiniteError(`the token at position ${position}`);
    this.#logprobs[position - this.#text.scoredFrom] = logprob;
    this.#isGreedy &&= likeliest === this.#text.tokens[position];
  }

  result(): TokenScores {
    return { logprobs: this.#logprobs, isGreedy: this.#isGreedy };
  }
}

export const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);
