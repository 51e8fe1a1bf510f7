import { setMaxListeners } from 'node:events';
import type { Engine } from '@gateskip/engine';
import { InvalidArgumentError } from '@gateskip/errors';
import { type FitProgress, Pacer } from '../progress.js';
import { answerSampling } from './answer-sampling.js';
import { selfPrompts } from './self-prompts.js';

export interface CalibrationTextRequest {
  readonly engine: Engine;
  /** Default: a built-in list of varied prompts. They are asked in turn until there is enough text. */
  readonly prompts?: readonly string[];
  /** Tokens wanted, prompts included; default 8192. */
  readonly tokens?: number;
  /** Longest answer; default 256. */
  readonly maxAnswerTokens?: number;
  /** Default 0.8; of the likeliest tokens that make up 95 %. */
  readonly temperature?: number;
  /** Default 1. Each answer has a seed of its own, so that a prompt asked twice is answered differently. */
  readonly seed?: number;
  /** Answers written side by side; default 16. */
  readonly parallel?: number;
  readonly onProgress?: (progress: FitProgress) => void;
  readonly signal?: AbortSignal;
}

export interface CalibrationText {
  /** Prompt and answer of each conversation, as the model saw them. */
  readonly sequences: readonly Int32Array[];
  readonly tokens: number;
  readonly answers: number;
}

/** A model that answers nothing at all must not be asked for ever. */
const ROUNDS = 64;

/**
 * Lets the dense model write its own calibration text: answers to prompts, sampled. Same seed, same text on the same
 * backend.
 *
 * @throws InvalidArgumentError, AbortedError, and what the engine throws
 */
export async function generateCalibrationText(request: CalibrationTextRequest): Promise<CalibrationText> {
  const { engine, prompts = selfPrompts(), tokens = 8192, maxAnswerTokens = 256, temperature = 0.8, seed = 1, parallel = 16 } = request;
  if (prompts.length === 0) throw new InvalidArgumentError('There is no prompt.', 'Pass at least one.', { what: 'prompts', got: 0 });
  whole('tokens', tokens, 1, 4_194_304);
  whole('maxAnswerTokens', maxAnswerTokens, 1, 65_536);
  whole('parallel', parallel, 1, 1024);
  const { signal } = request;
  // Every answer listens; on the caller's own signal Node would warn of a leak.
  const stop = signal && AbortSignal.any([signal]);
  if (stop) setMaxListeners(parallel + 1, stop);
  const pacer = new Pacer('Writing the calibration text', signal, request.onProgress);
  const sequences: Int32Array[] = [];
  let written = 0;
  for (let next = 0; written < tokens && next < ROUNDS * prompts.length; next += parallel) {
    pacer.report('text', Math.min(written, tokens), tokens);
    const batch = Array.from({ length: parallel }, (_, index) => next + index);
    let finished = written;
    const results = await Promise.all(
      batch.map(async (index) => {
        const sequence = await ask(index);
        finished += sequence.length;
        pacer.report('text', Math.min(finished, tokens), tokens);
        return sequence;
      }),
    );
    for (const sequence of results) {
      if (written >= tokens) break;
      sequences.push(sequence);
      written += sequence.length;
    }
  }
  pacer.report('text', tokens, tokens);
  return { sequences, tokens: written, answers: sequences.length };

  async function ask(index: number): Promise<Int32Array> {
    const prompt = prompts[index % prompts.length] as string;
    const { result } = engine.generate({
      ...(engine.model.chatTemplate === undefined ? { prompt } : { messages: [{ role: 'user', content: prompt }] }),
      maxTokens: maxAnswerTokens,
      overflow: 'clamp',
      sampling: answerSampling(temperature, seed, index),
      // The trace holds the tokens of the prompt as the template made them.
      trace: true,
      ...(stop && { signal: stop }),
    });
    const { trace } = await result;
    return Int32Array.from(trace?.tokens ?? []);
  }
}

function whole(what: string, got: number, least: number, most: number): void {
  if (Number.isInteger(got) && got >= least && got <= most) return;
  throw new InvalidArgumentError(`${what} is ${got}.`, `Pass ${least}..${most}.`, { what, expected: [least, most], got });
}
