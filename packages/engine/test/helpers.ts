import type { Engine, EngineOptions, Generation, GenerationChunk } from '../src/api.js';
import { createEngine } from '../src/index.js';
import { type FakeOptions, type FakeRunner, fakeBackend, fakeModel } from './fake-runner.js';
import { byteTokenizer } from './fake-tokenizer.js';

export async function fakeEngine(options: FakeOptions & Partial<EngineOptions> = {}): Promise<{ engine: Engine; runner: FakeRunner }> {
  const { capacity, logit, before, sameTurn, ...engineOptions } = options;
  const backend = fakeBackend({
    ...(capacity === undefined ? {} : { capacity }),
    ...(logit ? { logit } : {}),
    ...(before ? { before } : {}),
    ...(sameTurn ? { sameTurn } : {}),
  });
  const engine = await createEngine({ model: fakeModel(byteTokenizer), backend, ...engineOptions });
  return { engine, runner: backend.runner() };
}

export async function collect(generation: Generation): Promise<{ chunks: GenerationChunk[]; text: string; tokens: number[] }> {
  const chunks: GenerationChunk[] = [];
  for await (const chunk of generation) chunks.push(chunk);
  return { chunks, text: chunks.map((chunk) => chunk.text).join(''), tokens: chunks.flatMap((chunk) => chunk.tokens) };
}

/** The error a promise rejects with; fails where it resolves. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<{ code: string; name: string; fields: Record<string, unknown>; message: string }> {
  try {
    await promise;
  } catch (error) {
    return error as never;
  }
  throw new Error('expected a rejection');
}

/** Logits that make the model say `script` after any prompt of `promptTokens` tokens. */
export function scripted(script: readonly number[], promptTokens: number): (history: readonly number[], token: number) => number {
  return (history, token) => (token === script[history.length - promptTokens] ? 10 : 0);
}
