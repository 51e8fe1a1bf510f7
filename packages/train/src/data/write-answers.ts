import { setMaxListeners } from 'node:events';
import type { Engine } from '@gateskip/engine';
import { AbortedError } from '@gateskip/errors';
import { answerSampling } from '../text/answer-sampling.js';
import type { AnswerCache } from './answer-cache.js';
import type { PromptEncoder } from './prompts/encode-prompt.js';
import type { TextProgress } from './text-progress.js';

/** What the model made of one prompt. */
export interface Answer {
  /** Prompt, answer and, where the model ended it, its end token. */
  readonly tokens: Int32Array;
  readonly promptTokens: number;
  readonly ended: boolean;
}

export interface WriteAnswersRequest {
  readonly openEngine: () => Promise<{ readonly engine: Engine; readonly close: () => Promise<unknown> }>;
  readonly encoder: PromptEncoder;
  readonly cache: AnswerCache | undefined;
  /** The first answers, from an earlier run. */
  readonly known: readonly Answer[];
  readonly tokens: number;
  readonly maxAnswerTokens: number;
  readonly temperature: number;
  readonly seed: number;
  readonly parallel: number;
  readonly onProgress: ((progress: TextProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface WrittenAnswers {
  readonly answers: readonly Answer[];
  readonly cachedTokens: number;
  /** Of what was written now; 0 where nothing was. */
  readonly tokensPerSecond: number;
}

/** Answers 0, 1, 2, ... until they hold the tokens wanted. Several are written at once; they count in their order. */
export async function writeAnswers(request: WriteAnswersRequest): Promise<WrittenAnswers> {
  const { known, tokens, cache, signal, onProgress } = request;
  const answers: Answer[] = [];
  let total = 0;
  for (const answer of known) {
    if (total >= tokens) break;
    answers.push(answer);
    total += answer.tokens.length;
  }
  const cachedTokens = total;
  const report = (done: number): void => onProgress?.({ phase: 'generate', done: Math.min(done, tokens), total: tokens });
  report(total);
  if (total >= tokens) return { answers, cachedTokens, tokensPerSecond: 0 };
  if (signal?.aborted) throw new AbortedError('Writing the training text');

  const startedMs = performance.now();
  const { engine, close } = await request.openEngine();
  const stop = new AbortController();
  // One listener per answer: Node would take them for a leak.
  setMaxListeners(0, stop.signal);
  const abort = (): void => stop.abort();
  signal?.addEventListener('abort', abort, { once: true });
  const early = new Map<number, Answer>();
  let earlyTokens = 0;
  let next = answers.length;
  try {
    const work = async (): Promise<void> => {
      while (total < tokens && !stop.signal.aborted) {
        const index = next++;
        const answer = await writeAnswer(engine, index, request, stop.signal);
        early.set(index, answer);
        earlyTokens += answer.tokens.length;
        for (let first = early.get(answers.length); first && total < tokens; first = early.get(answers.length)) {
          early.delete(answers.length);
          earlyTokens -= first.tokens.length;
          answers.push(first);
          total += first.tokens.length;
        }
        report(total + earlyTokens);
        await cache?.write(answers, false);
      }
      // The others write what is not needed any more.
      stop.abort();
    };
    let failure: { readonly reason: unknown } | undefined;
    const workUntilFailure = async (): Promise<void> => {
      await work().catch((reason: unknown) => {
        // What others are told because of this is no failure of its own.
        if (!stop.signal.aborted) failure = { reason };
        stop.abort();
      });
    };
    await Promise.all(Array.from({ length: request.parallel }, workUntilFailure));
    await cache?.write(answers, true);
    if (signal?.aborted) throw new AbortedError('Writing the training text');
    if (failure !== undefined) throw (failure as { readonly reason: unknown }).reason;
  } finally {
    signal?.removeEventListener('abort', abort);
    await close();
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return { answers, cachedTokens, tokensPerSecond: (total - cachedTokens) / seconds };
}

async function writeAnswer(engine: Engine, index: number, request: WriteAnswersRequest, signal: AbortSignal): Promise<Answer> {
  const prompt = await request.encoder.tokens(index, signal);
  const { result } = engine.generate({
    tokens: prompt,
    maxTokens: request.maxAnswerTokens,
    overflow: 'clamp',
    sampling: answerSampling(request.temperature, request.seed, index),
    signal,
  });
  const { tokens, finishReason } = await result;
  const ended = finishReason === 'stop';
  const end = ended ? endToken(engine) : [];
  return { tokens: Int32Array.from([...prompt, ...tokens, ...end]), promptTokens: prompt.length, ended };
}

/** A result does not name the token that ended it. Any will do: it only stands behind the row that predicts an end. */
function endToken(engine: Engine): number[] {
  const { endToken: usual, stopTokens } = engine.model.tokenizer ?? {};
  if (usual !== undefined && stopTokens?.has(usual)) return [usual];
  return [...(stopTokens ?? [])].slice(0, 1);
}
