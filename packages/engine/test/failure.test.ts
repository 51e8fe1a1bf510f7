import { describe, expect, it } from 'vitest';
import { collect, fakeEngine, rejection } from './helpers.js';

describe('failure', () => {
  it('logits that are not finite end that request alone', async () => {
    for (const sampling of [{}, { temperature: 1, seed: 1 }, { temperature: 1, topK: 5, seed: 1 }]) {
      const broken = (history: readonly number[], token: number): number =>
        history[0] === 13 && history.length === 3 && token === 7 ? Number.NaN : token / 100;
      const { engine, runner } = await fakeEngine({ logit: broken });
      const bad = engine.generate({ tokens: [13], maxTokens: 9, ignoreEnd: true, sampling });
      const mate = engine.generate({ tokens: [14], maxTokens: 9, ignoreEnd: true, sampling });
      const { engine: quiet } = await fakeEngine({ logit: (_, token) => token / 100 });
      const chunks: unknown[] = [];
      await expect(
        (async () => {
          for await (const chunk of bad) chunks.push(chunk);
        })(),
      ).rejects.toMatchObject({ code: 'GS_NON_FINITE_LOGITS', fields: { position: 2 } });
      expect(chunks).toHaveLength(2);
      expect(await rejection(bad.result)).toMatchObject({ code: 'GS_NON_FINITE_LOGITS' });
      expect((await mate.result).tokens).toEqual(
        (await quiet.generate({ tokens: [14], maxTokens: 9, ignoreEnd: true, sampling }).result).tokens,
      );
      expect(runner.open.size).toBe(0);
    }
  });

  it('of a step fails the request at fault; its mates go on as if nothing had been', async () => {
    const { engine, runner } = await fakeEngine({
      before: (input, histories) => {
        for (const { sequence } of input.segments)
          if ((histories.get(sequence)?.length ?? 0) >= 4 && histories.get(sequence)?.[0] === 13) throw new Error('boom');
      },
    });
    const bad = engine.generate({ tokens: [13], maxTokens: 9, ignoreEnd: true });
    const mates = [1, 2, 3].map((token) => engine.generate({ tokens: [token], maxTokens: 9, ignoreEnd: true }));
    expect(await rejection(bad.result)).toMatchObject({ code: 'GS_STEP_FAILED', name: 'StepFailedError' });
    const { engine: quiet } = await fakeEngine();
    for (const [index, mate] of mates.entries()) {
      expect((await mate.result).tokens).toEqual(
        (await quiet.generate({ tokens: [index + 1], maxTokens: 9, ignoreEnd: true }).result).tokens,
      );
    }
    expect((await engine.generate({ tokens: [5], maxTokens: 1 }).result).promptTokens).toBe(1);
    expect(runner.open.size).toBe(0);
  });

  it('for want of memory defers the youngest, which gives the same text later', async () => {
    const requests = Array.from({ length: 6 }, (_, index) => ({
      tokens: [index + 1, 2, 3],
      maxTokens: 20,
      ignoreEnd: true,
      sampling: { temperature: 1, seed: index },
    }));
    const { engine: quiet } = await fakeEngine();
    const expected = await Promise.all(requests.map((request) => quiet.generate(request).result));
    const { engine, runner } = await fakeEngine({ capacity: 50 });
    const finished: number[] = [];
    const results = await Promise.all(
      requests.map(async (request, index) => {
        const generation = engine.generate(request);
        const [{ text }, result] = await Promise.all([collect(generation), generation.result]);
        finished.push(index);
        expect(text).toBe(result.text);
        return result;
      }),
    );
    expect(results.map((result) => result.tokens)).toEqual(expected.map((result) => result.tokens));
    expect(results.map((result) => result.skip)).toEqual(expected.map((result) => result.skip));
    expect(finished[0]).toBe(0);
    expect(runner.open.size).toBe(0);
  });

  it('for want of memory fails what does not fit even alone, with the numbers', async () => {
    const { engine } = await fakeEngine({ capacity: 10 });
    const small = engine.generate({ tokens: [1], maxTokens: 5, ignoreEnd: true });
    const large = engine.generate({ tokens: new Array<number>(11).fill(1), maxTokens: 5 });
    const after = engine.generate({ tokens: [2], maxTokens: 5, ignoreEnd: true });
    expect((await small.result).completionTokens).toBe(5);
    expect(await rejection(large.result)).toMatchObject({ code: 'GS_INSUFFICIENT_MEMORY', fields: { availableBytes: 10 } });
    expect((await after.result).completionTokens).toBe(5);
  });

  it('is no unhandled rejection when nobody listens', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const { engine } = await fakeEngine({ before: () => Promise.reject(new Error('boom')) });
    engine.generate({ tokens: [1] });
    engine.generate({ prompt: 'a', maxTokens: -1 });
    engine.generate({ tokens: [1] }).abort();
    await new Promise((resolve) => setTimeout(resolve, 30));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
    expect(engine.load).toEqual({ running: 0, waiting: 0 });
  });
});
