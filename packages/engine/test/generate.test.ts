import { describe, expect, it } from 'vitest';
import type { GenerateRequest } from '../src/index.js';
import { end, pieceToken } from './fake-tokenizer.js';
import { collect, fakeEngine, scripted } from './helpers.js';

const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

describe('generate', () => {
  it('streams whole characters, ends at the stop token, and reports what it did', async () => {
    // 😀 over two tokens, € over two.
    const script = [...bytes('Hi '), pieceToken(4), pieceToken(5), pieceToken(6), pieceToken(7), end];
    const { engine, runner } = await fakeEngine({ logit: scripted(script, 3) });
    const generation = engine.generate({ tokens: [1, 2, 3] });
    const { chunks, text } = await collect(generation);
    const result = await generation.result;
    expect(chunks.map((chunk) => chunk.text)).toEqual(['H', 'i', ' ', '', '😀', '', '€ ']);
    expect(result).toMatchObject({
      text: 'Hi 😀€ ',
      finishReason: 'stop',
      promptTokens: 3,
      completionTokens: 7,
      policy: 'dense',
      backend: 'fake',
      clamped: false,
    });
    expect(text).toBe(result.text);
    expect(result.tokens).toEqual(script.slice(0, -1));
    // Seven answer tokens ran; the stop token did not.
    expect(result.kvRows).toEqual({ used: 20, dense: 20 });
    expect(result.skip).toEqual({
      asked: undefined,
      held: { skip: 0, net: 1 },
      prefill: { skip: 0, net: 1 },
      decode: { skip: 0, net: 1 },
      branches: [0, 0, 0, 0],
    });
    expect(result.timings.prefillMs).toBeGreaterThan(0);
    expect(result.decodeTokensPerSecond).toBeGreaterThan(0);
    expect(runner.open.size).toBe(0);
    expect(runner.steps.every((step) => step.topLogits === 1)).toBe(true);
  });

  it('shows a half character as U+FFFD when the answer ends inside it', async () => {
    const { engine } = await fakeEngine({ logit: scripted([65, pieceToken(4), end], 1) });
    for (const maxTokens of [2, 3]) {
      const generation = engine.generate({ tokens: [1], maxTokens });
      expect((await collect(generation)).text).toBe('A\uFFFD');
      expect((await generation.result).text).toBe('A\uFFFD');
    }
  });

  it('stops before a stop string that spans tokens, and never streams a part of it', async () => {
    const { engine } = await fakeEngine({ logit: scripted([65, pieceToken(2), pieceToken(3), 66], 1) });
    const generation = engine.generate({ tokens: [1], stop: ['STOP!', 'nothing'] });
    const { text, chunks } = await collect(generation);
    expect(chunks.map((chunk) => chunk.text)).toEqual(['A', '', '']);
    expect(await generation.result).toMatchObject({ text, finishReason: 'stop', stopString: 'STOP!', completionTokens: 3 });
    expect((await engine.generate({ tokens: [1], stop: ['STOP?'], maxTokens: 3 }).result).text).toBe('ASTOP!');
  });

  it('goes past stop tokens where asked', async () => {
    const { engine } = await fakeEngine({ logit: scripted([65, end, 66], 1) });
    expect(await engine.generate({ tokens: [1], maxTokens: 3, ignoreEnd: true }).result).toMatchObject({
      text: 'AB',
      tokens: [65, end, 66],
      finishReason: 'length',
    });
  });

  it('gives log-probabilities with every chunk', async () => {
    const { engine } = await fakeEngine();
    const request: GenerateRequest = { tokens: [1, 2], maxTokens: 4, logprobs: 3, ignoreEnd: true };
    for (const sampling of [{}, { repetitionPenalty: 1.5 }, { temperature: 1, seed: 5 }]) {
      const generation = engine.generate({ ...request, sampling });
      const { chunks } = await collect(generation);
      const { logprobs, tokens } = await generation.result;
      expect(chunks.flatMap((chunk) => chunk.logprobs ?? [])).toEqual(logprobs);
      expect(logprobs?.map((entry) => entry.token)).toEqual(tokens);
      for (const entry of logprobs ?? []) {
        expect(entry.top).toHaveLength(3);
        expect(entry.logprob).toBeLessThan(0);
        expect((entry.top[0]?.logprob ?? 0) >= entry.logprob).toBe(true);
      }
    }
  });

  it('same seed, same text; other seed, other text; a drawn seed is reported and repeats the text', async () => {
    const { engine } = await fakeEngine();
    const request: GenerateRequest = { tokens: [1, 2], maxTokens: 24, ignoreEnd: true };
    const run = async (seed?: number) =>
      await engine.generate({ ...request, sampling: { temperature: 1.5, ...(seed === undefined ? {} : { seed }) } }).result;
    const first = await run(1);
    expect((await run(1)).tokens).toEqual(first.tokens);
    expect((await run(2)).tokens).not.toEqual(first.tokens);
    const drawn = await run();
    expect((await run(drawn.seed)).tokens).toEqual(drawn.tokens);
  });

  it('traces every token that ran', async () => {
    const { engine } = await fakeEngine({ logit: scripted([65, 66, 67], 2) });
    const { trace } = await engine.generate({ tokens: [300 - 200, 257], maxTokens: 3, trace: true, prefillChunk: 1 }).result;
    expect(trace).toMatchObject({ tokens: [100, 257, 65, 66], texts: ['d', '<|end|>', 'A', 'B'], branches: 4, promptTokens: 2 });
    expect(Array.from(trace?.kept ?? [])).toEqual(new Array(16).fill(1));
    expect(trace?.scores).toHaveLength(16);
  });
});
