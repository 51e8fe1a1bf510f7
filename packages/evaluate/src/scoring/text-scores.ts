import { LogitsNotFiniteError } from '../errors.js';
import type { ScoredText } from '../items/item.js';
import { likeliest, logSumExp } from './log-softmax.js';

/** Log-probabilities of a text's scored tokens, in order. */
export interface TokenScores {
  readonly logprobs: Float64Array;
  /** Whether greedy decoding would write all of them. */
  readonly isGreedy: boolean;
}

/** Gathers a text's scores row by row. */
export class TextScores {
  readonly #text: ScoredText;
  readonly #vocabulary: number;
  readonly #logprobs: Float64Array;
  #isGreedy = true;

  constructor(text: ScoredText, vocabulary: number) {
    this.#text = text;
    this.#vocabulary = vocabulary;
    this.#logprobs = new Float64Array(text.tokens.length - text.scoredFrom).fill(Number.NaN);
  }

  /** The logits after the token at `position`, if they score one of this text. */
  take(logits: Float32Array, row: number, position: number): void {
    const { tokens, scoredFrom } = this.#text;
    const at = position + 1 - scoredFrom;
    if (at < 0 || at >= this.#logprobs.length) return;
    const target = tokens[position + 1] as number;
    const logprob = (logits[row * this.#vocabulary + target] as number) - logSumExp(logits, row, this.#vocabulary);
    if (!Number.isFinite(logprob)) throw new LogitsNotFiniteError(`the token at position ${position + 1}`);
    this.#logprobs[at] = logprob;
    this.#isGreedy &&= likeliest(logits, row, this.#vocabulary) === target;
  }

  result(): TokenScores {
    return { logprobs: this.#logprobs, isGreedy: this.#isGreedy };
  }
}

export const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);
