import type { Engine, GenerateRequest, GenerationResult } from '@gateskip/engine';
import { randomScore } from '@gateskip/gate';
import type { Model } from '@gateskip/model';
import type { Budget } from '@gateskip/scheduler';

/** Plain English, so that gates meet text and not noise; repeated as often as a prompt needs it. */
const passage = `The harbour lay quiet in the early morning. Two boats had left before sunrise, and the gulls followed them out beyond the
breakwater, where the water turned from grey to green. On the quay an old man mended a net and counted the knots under his
breath: forty-one, forty-two, forty-three. A ship of 900 tons can carry grain for a small town, he used to say, but it takes one
careless hand to lose it. In 1911 his grandfather had written a list of rules for young sailors. Keep your lamp dry. Watch the
wind, not the flag. Never trust a map that is older than you are. The children laughed at it, and yet they knew every line.
`;

/** Share of a prompt kept for decoding: short, so that decode is weights and not context. */
export const decodePromptTokens = 32;
export const prefillTokens = 512;

/** Token ids of a text that is the same every time; where the model has no tokenizer, drawn from the vocabulary. */
export function promptOf(model: Model, count: number): Int32Array {
  const { tokenizer, config } = model;
  const text = tokenizer ? Array.from(tokenizer.encode(passage)) : [];
  if (text.length === 0)
    return Int32Array.from({ length: count }, (_, position) => Math.floor(randomScore(1, position, 0) * config.vocabularySize));
  return Int32Array.from({ length: count }, (_, position) => text[position % text.length] as number);
}

export interface SkipSetting {
  readonly budget?: Budget;
  readonly policy?: string;
  readonly kv?: 'project' | 'absent' | 'alias';
}

/** Reads a prompt and writes `tokens` tokens, greedily and past every end token. */
export async function generate(
  engine: Engine,
  prompt: Int32Array,
  tokens: number,
  setting: SkipSetting,
  signal: AbortSignal,
  trace = false,
): Promise<GenerationResult> {
  const request: GenerateRequest = { tokens: prompt, maxTokens: tokens, ignoreEnd: true, sampling: { seed: 1 }, signal, ...setting };
  return engine.generate({ ...request, ...(trace && { trace }) }).result;
}

/** Tokens per second after the first one, of an answer of `tokens` more. */
export async function timeDecode(
  engine: Engine,
  prompt: Int32Array,
  tokens: number,
  setting: SkipSetting,
  signal: AbortSignal,
): Promise<number> {
  return (await generate(engine, prompt, tokens + 1, setting, signal)).decodeTokensPerSecond;
}

/** Prompt tokens per second until the first token is known. */
export async function timePrefill(engine: Engine, prompt: Int32Array, setting: SkipSetting, signal: AbortSignal): Promise<number> {
  return (await generate(engine, prompt, 1, setting, signal)).prefillTokensPerSecond;
}
