import { describe, expect, it } from 'vitest';
import type { GenerateRequest } from '../src/index.js';
import { fakeEngine } from './helpers.js';

describe('batching', () => {
  it('puts prompt chunks and answer tokens of several sequences into one step', async () => {
    const { engine, runner } = await fakeEngine({ maxRows: 64 });
    const short = engine.generate({ tokens: [1, 2], maxTokens: 30, ignoreEnd: true });
    for await (const _ of short) {
      if (runner.steps.length === 3) break;
    }
    const first = engine.generate({ tokens: [5], maxTokens: 12, ignoreEnd: true });
    const iterator = first[Symbol.asyncIterator]();
    await iterator.next();
    const long = engine.generate({ tokens: new Array<number>(100).fill(7), maxTokens: 4, prefillChunk: 16, ignoreEnd: true });
    const other = engine.generate({ tokens: new Array<number>(40).fill(9), maxTokens: 4, ignoreEnd: true });
    await Promise.all([first.result, long.result, other.result]);
    expect(
      runner.steps.some((step) => step.segments.length === 3 && step.segments.some((segment) => segment.length === 1) && step.rows > 30),
    ).toBe(true);
    expect(runner.steps.every((step) => step.rows <= 64)).toBe(true);
  });

  it('text depends neither on batch mates, nor chunks, nor rows, nor on who needs all logits', async () => {
    const requests: GenerateRequest[] = Array.from({ length: 8 }, (_, index) => ({
      tokens: Array.from({ length: 3 + 11 * index }, (_unused, place) => (place * 31 + index * 7) % 256),
      maxTokens: 5 + index,
      ignoreEnd: true,
      sampling: [
        {},
        { temperature: 1, topK: 20, seed: index },
        { temperature: 0.8, topK: 50, topP: 0.9, seed: index },
        { temperature: 1, seed: index },
        { repetitionPenalty: 1.3 },
      ][index % 5] as GenerateRequest['sampling'] & object,
    }));
    const { engine: alone } = await fakeEngine();
    const expected: unknown[] = [];
    for (const request of requests) expected.push((await alone.generate(request).result).tokens);
    for (const [maxRows, maxSequences, prefillChunk] of [
      [512, 64, 1],
      [1, 64, 512],
      [3, 5, 2],
      [17, 2, 8],
      [64, 8, 64],
    ] as const) {
      const { engine, runner } = await fakeEngine({ maxRows, maxSequences });
      const results = await Promise.all(requests.map((request) => engine.generate({ ...request, prefillChunk }).result));
      expect(results.map((result) => result.tokens)).toEqual(expected);
      expect(runner.steps.every((step) => step.rows <= maxRows && step.segments.length <= maxSequences)).toBe(true);
      expect(runner.open.size).toBe(0);
    }
  });

  it('a long prompt does not keep a short one waiting, and prompts go on beside full decoding', async () => {
    const { engine, runner } = await fakeEngine({ maxRows: 4 });
    const done: string[] = [];
    const note = (name: string, request: GenerateRequest): Promise<unknown> => engine.generate(request).result.then(() => done.push(name));
    await Promise.all([
      note('long', { tokens: new Array<number>(200).fill(1), maxTokens: 1 }),
      note('short', { tokens: [1, 2, 3], maxTokens: 1 }),
      ...[1, 2, 3, 4, 5].map((token) => note(`decode ${token}`, { tokens: [token], maxTokens: 200, ignoreEnd: true })),
    ]);
    expect(done[0]).toBe('short');
    expect(done.indexOf('long')).toBeLessThan(6);
    expect(runner.steps.every((step) => step.rows <= 4)).toBe(true);
  });
});
