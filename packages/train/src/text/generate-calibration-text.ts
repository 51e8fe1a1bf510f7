import type { Engine } from '@gateskip/engine';
import { checkWhole } from '../data/checks.js';
import { PromptEncoder } from '../data/prompts/encode-prompt.js';
import type { TrainingPrompt } from '../data/prompts/training-prompt.js';
import { usablePrompts } from '../data/prompts/usable-prompts.js';
import { writeAnswers } from '../data/write-answers.js';
import type { FitProgress } from '../progress.js';

export interface CalibrationTextRequest {
  readonly engine: Engine;
  /** Default: `builtInTrainingPrompts()`, without system messages where the model's chat template refuses them. All of a kind are asked once before any is asked again. */
  readonly prompts?: readonly TrainingPrompt[];
  /** Tokens wanted, prompts included, 1..4,194,304; default 8192. The last answer is taken whole. */
  readonly tokens?: number;
  /** Longest answer, 1..65,536; default 256. */
  readonly maxAnswerTokens?: number;
  /** Default 0.8; of the likeliest tokens that make up 95 %, 256 at most. */
  readonly temperature?: number;
  /** Default 1: order of the prompts, and answers. Each answer has a seed of its own, so that a prompt asked twice is answered differently. */
  readonly seed?: number;
  /** Answers written side by side, 1..256; default 16. Changes speed, not the text. */
  readonly parallel?: number;
  readonly onProgress?: (progress: FitProgress) => void;
  readonly signal?: AbortSignal;
}

export interface CalibrationText {
  /** Prompt and answer of each conversation, or beginning and continuation of each document, as the model saw them. */
  readonly sequences: readonly Int32Array[];
  readonly tokens: number;
  readonly answers: number;
}

/**
 * Lets the dense model write its own calibration text: answers to conversations, some with a system message, and continued
 * beginnings of documents, sampled. Gates and stand-ins learn the kinds of text that they are fitted to, so there are many. Same
 * seed, same text on the same backend.
 *
 * @throws InvalidArgumentError, AbortedError, and what the engine throws
 */
export async function generateCalibrationText(request: CalibrationTextRequest): Promise<CalibrationText> {
  const { engine, tokens = 8192, maxAnswerTokens = 256, temperature = 0.8, seed = 1, parallel = 16, onProgress, signal } = request;
  checkWhole('tokens', tokens, 1, 4_194_304);
  checkWhole('maxAnswerTokens', maxAnswerTokens, 1, 65_536);
  checkWhole('seed', seed, 0, 4_294_967_295);
  checkWhole('parallel', parallel, 1, 256);
  const prompts = await usablePrompts(request.prompts, engine.model, signal);
  const { answers } = await writeAnswers({
    // Answers that are not needed any more end with the step that they are in.
    openEngine: async () => ({ engine, close: () => engine.idle() }),
    encoder: new PromptEncoder(engine.model, prompts, seed),
    cache: undefined,
    known: [],
    ...{ tokens, maxAnswerTokens, temperature, seed, parallel, signal },
    onProgress: onProgress && (({ done, total }) => onProgress({ phase: 'text', done, total })),
  });
  const sequences = answers.map((answer) => answer.tokens);
  return { sequences, tokens: sequences.reduce((sum, { length }) => sum + length, 0), answers: answers.length };
}
