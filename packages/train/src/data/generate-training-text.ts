import type { Backend } from '@gateskip/backend';
import { createEngine, type Engine } from '@gateskip/engine';
import type { Model } from '@gateskip/model';
import { AnswerCache } from './answer-cache.js';
import { checkLicense, checkNumber, checkWhole } from './checks.js';
import { PromptEncoder } from './prompts/encode-prompt.js';
import type { TrainingPrompt } from './prompts/training-prompt.js';
import { usablePrompts } from './prompts/usable-prompts.js';
import { splitHeldOut } from './split-held-out.js';
import { textFingerprint, tokensFingerprint } from './text-fingerprint.js';
import type { TextProgress } from './text-progress.js';
import type { TrainingSequence, TrainingText } from './training-text.js';
import { type Answer, writeAnswers } from './write-answers.js';

/** Who writes: an engine, or a model and a backend, which are loaded only where the cache lacks text. */
export type TextWriter = { readonly engine: Engine } | { readonly model: Model; readonly backend: Backend; readonly threads?: number };

export interface GenerateTrainingTextOptions {
  /** Default: `builtInTrainingPrompts()`, without system messages where the model's chat template refuses them. */
  readonly prompts?: readonly TrainingPrompt[];
  /** Tokens wanted, prompts included. The last answer is taken whole. */
  readonly tokens: number;
  /** Longest answer; default 384. */
  readonly maxAnswerTokens?: number;
  /** Default 0.8; of the likeliest tokens that make up 95 %, 256 at most. */
  readonly temperature?: number;
  /** u32: prompts' order, answers, split; default 1. */
  readonly seed?: number;
  /** Answers written side by side, 1..256; default 16. Changes speed, not the text. */
  readonly parallel?: number;
  /** Weight of rows that predict prompt tokens; default 0. */
  readonly promptWeight?: number;
  /** Share of the prompts whose answers are held out; default 0.1. */
  readonly heldOutShare?: number;
  /** Keeps answers, so that a run that was ended goes on, and more tokens later cost only the new ones. */
  readonly cacheFolder?: string;
  /** Under which the text may be used, e.g. "own text of an Apache-2.0 model". */
  readonly license: string;
  readonly description?: string;
  readonly onProgress?: (progress: TextProgress) => void;
  readonly signal?: AbortSignal;
}

export interface GenerationReport {
  readonly tokens: number;
  readonly answers: number;
  /** Answers that the model ended by itself. */
  readonly endedAnswers: number;
  /** Of these tokens, how many came from the cache. */
  readonly cachedTokens: number;
  /** Shards of the cache that were damaged or unreadable and were written anew. */
  readonly damagedShards: number;
  /** Where the answers lie, if they were kept. */
  readonly folder?: string;
  /** Of the tokens that were written now. */
  readonly tokensPerSecond: number;
}

export type GeneratedTrainingText = TrainingText & { readonly report: GenerationReport };

/**
 * Lets the dense model write the text that its gates are trained on: answers to prompts and continued beginnings of
 * documents, sampled. Rows of answers weigh 1, the last of them predicts the end of the answer where the model ended it.
 * Same seed, same text on the same backend, whether written in one go or in several.
 *
 * @throws InvalidArgumentError, AbortedError, TrainingTextTooShortError, DiskFullError, ModelIoError, and what the engine throws
 */
export async function generateTrainingText(request: TextWriter & GenerateTrainingTextOptions): Promise<GeneratedTrainingText> {
  const { tokens, maxAnswerTokens = 384, temperature = 0.8, seed = 1, parallel = 16, promptWeight = 0, heldOutShare = 0.1 } = request;
  checkWhole('tokens', tokens, 1, 268_435_456);
  checkWhole('maxAnswerTokens', maxAnswerTokens, 1, 65_536);
  checkWhole('seed', seed, 0, 4_294_967_295);
  checkWhole('parallel', parallel, 1, 256);
  checkNumber('temperature', temperature, 0, 100);
  checkNumber('promptWeight', promptWeight, 0, 1e6);
  checkNumber('heldOutShare', heldOutShare, Number.MIN_VALUE, 0.5);
  checkLicense(request.license);
  const model = 'engine' in request ? request.engine.model : request.model;
  const backendName = 'engine' in request ? request.engine.runner.backend : request.backend.name;
  const prompts = await usablePrompts(request.prompts, model, request.signal);
  const encoder = new PromptEncoder(model, prompts, seed);
  const cache =
    request.cacheFolder === undefined
      ? undefined
      : await AnswerCache.open(request.cacheFolder, {
          model: model.fingerprint,
          template: model.chatTemplate ?? '',
          backend: backendName,
          prompts,
          seed,
          temperature,
          maxAnswerTokens,
        });
  const known = (await cache?.read(model.config.vocabularySize)) ?? [];
  const written = await writeAnswers({
    openEngine: () => engineFor(request, parallel, maxAnswerTokens),
    encoder,
    cache,
    known,
    ...{ tokens, maxAnswerTokens, temperature, seed, parallel },
    onProgress: request.onProgress,
    signal: request.signal,
  });
  const { answers } = written;
  const split = splitHeldOut(
    answers.map((answer) => sequenceOf(answer, promptWeight)),
    { share: heldOutShare, seed, groups: answers.map(({ tokens, promptTokens }) => tokensFingerprint(tokens.subarray(0, promptTokens))) },
  );
  const total = answers.reduce((sum, answer) => sum + answer.tokens.length, 0);
  return {
    ...split,
    description: request.description ?? `${total} tokens of own text of ${model.config.name}, ${answers.length} answers, seed ${seed}`,
    license: request.license,
    fingerprint: textFingerprint(split.train, split.heldOut),
    report: {
      tokens: total,
      answers: answers.length,
      endedAnswers: answers.filter((answer) => answer.ended).length,
      cachedTokens: written.cachedTokens,
      damagedShards: cache?.damagedShards ?? 0,
      ...(cache && { folder: cache.folder }),
      tokensPerSecond: written.tokensPerSecond,
    },
  };
}

function sequenceOf({ tokens, promptTokens }: Answer, promptWeight: number): TrainingSequence {
  const rowWeights = new Float32Array(tokens.length).fill(1);
  rowWeights.fill(promptWeight, 0, promptTokens - 1);
  rowWeights[tokens.length - 1] = 0;
  return { tokens, rowWeights };
}

async function engineFor(writer: TextWriter, parallel: number, maxAnswerTokens: number) {
  if ('engine' in writer) return { engine: writer.engine, close: () => writer.engine.idle() };
  const { model, backend, threads } = writer;
  // Prompts are short beside their answers; where they are not, the engine lets some answers wait.
  const maxTokens = parallel * Math.min(model.config.contextLength, 2 * maxAnswerTokens + 256);
  const engine = await createEngine({
    model,
    backend,
    maxSequences: parallel,
    load: { maxTokens, ...(threads !== undefined && { threads }) },
  });
  return { engine, close: () => engine.close() };
}
