import { BusyError } from '@gateskip/errors';
import { describe, expect, it } from 'vitest';
import { collect, fakeEngine, rejection } from './helpers.js';

describe('abort', () => {
  it('of a waiting request leaves at once and touches nobody', async () => {
    const { engine, runner } = await fakeEngine({ maxSequences: 1 });
    const first = engine.generate({ tokens: [1], maxTokens: 20, ignoreEnd: true });
    const controller = new AbortController();
    const second = engine.generate({ tokens: [2], signal: controller.signal });
    const third = engine.generate({ tokens: [3], maxTokens: 2, ignoreEnd: true });
    await first[Symbol.asyncIterator]().next();
    expect(engine.load).toEqual({ running: 1, waiting: 2 });
    controller.abort();
    expect(engine.load).toEqual({ running: 1, waiting: 1 });
    expect(await rejection(second.result)).toMatchObject({ code: 'GS_ABORTED' });
    expect((await first.result).completionTokens).toBe(20);
    expect((await third.result).completionTokens).toBe(2);
    expect(runner.steps.flatMap((step) => step.segments).every((segment) => segment.sequence <= 2)).toBe(true);
  });

  it.each(['prefill', 'decode'])('in %s frees its rows within one step', async (phase) => {
    let stepsAtAbort = -1;
    const open: number[] = [];
    const { engine, runner } = await fakeEngine({
      before: () => {
        open.push(runner.open.size);
        if (runner.steps.length === 3) {
          victim.abort();
          stepsAtAbort = open.length;
        }
      },
    });
    const mate = engine.generate({ tokens: [1], maxTokens: 12, ignoreEnd: true });
    const tokens = phase === 'prefill' ? new Array<number>(200).fill(3) : [3];
    const victim = engine.generate({ tokens, maxTokens: 40, prefillChunk: 8, ignoreEnd: true });
    expect(await rejection(victim.result)).toMatchObject({ code: 'GS_ABORTED' });
    expect((await mate.result).completionTokens).toBe(12);
    // Open in the step during which it was aborted, gone before the next.
    expect(open[stepsAtAbort - 1]).toBe(2);
    expect(open[stepsAtAbort]).toBe(1);
    expect(runner.open.size).toBe(0);
  });

  it('before the call, by breaking out of the loop, twice, and after the end', async () => {
    const { engine, runner } = await fakeEngine();
    expect(await rejection(engine.generate({ tokens: [1], signal: AbortSignal.abort() }).result)).toMatchObject({ code: 'GS_ABORTED' });
    const broken = engine.generate({ tokens: [1], ignoreEnd: true });
    for await (const chunk of broken) if (chunk.tokens.length > 0) break;
    expect(await rejection(broken.result)).toMatchObject({ code: 'GS_ABORTED' });
    broken.abort();
    const done = engine.generate({ tokens: [1], maxTokens: 1 });
    await done.result;
    done.abort();
    expect((await collect(done)).chunks.length).toBeLessThanOrEqual(1);
    expect((await done.result).completionTokens).toBeLessThanOrEqual(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([runner.open.size, engine.load]).toEqual([0, { running: 0, waiting: 0 }]);
  });

  it('is heard although the backend never leaves the JavaScript thread', async () => {
    const { engine } = await fakeEngine({
      sameTurn: true,
      before: () => {
        const end = performance.now() + 2;
        while (performance.now() < end);
      },
    });
    // Five hundred milliseconds of work, were it not for the timer.
    const generation = engine.generate({ tokens: [1], maxTokens: 250, ignoreEnd: true });
    let seen = 0;
    setTimeout(() => generation.abort(), 20);
    await expect(
      (async () => {
        for await (const chunk of generation) seen += chunk.tokens.length;
      })(),
    ).rejects.toMatchObject({ code: 'GS_ABORTED' });
    expect(seen).toBeLessThan(200);
  });

  it('cancels the step that runs where nobody is left to want it', async () => {
    let release = (): void => {};
    const { engine, runner } = await fakeEngine({
      before: () =>
        new Promise((resolve) => {
          release = resolve;
        }),
    });
    const [first, second] = [1, 2].map((token) => engine.generate({ tokens: [token] }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    first?.abort();
    second?.abort();
    release();
    await new Promise((resolve) => setTimeout(resolve, 5));
    // The fake appends rows only when a step goes through.
    expect([runner.steps.length, runner.open.size]).toEqual([0, 0]);
    const third = engine.generate({ tokens: [3], maxTokens: 1 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    release();
    expect((await third.result).promptTokens).toBe(1);
  });

  it('closes sequences although someone else uses the runner', async () => {
    const { engine, runner } = await fakeEngine({ before: () => new Promise((resolve) => setTimeout(resolve, 5)) });
    const own = runner.openSequence();
    const generation = engine.generate({ tokens: [1], maxTokens: 1 });
    const { closeSequence } = runner;
    let refusals = 0;
    runner.closeSequence = (id) => {
      if (refusals++ === 0) throw new BusyError('The runner');
      closeSequence(id);
    };
    await generation.result;
    expect(runner.open.size).toBe(2);
    await engine.generate({ tokens: [1], maxTokens: 1 }).result;
    expect([...runner.open.keys()]).toEqual([own]);
  });

  it('a generation is iterated once', async () => {
    const { engine } = await fakeEngine();
    const generation = engine.generate({ tokens: [1], maxTokens: 1 });
    await collect(generation);
    expect(() => generation[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
  });

  it('close aborts what runs and waits, and refuses what comes', async () => {
    const { engine, runner } = await fakeEngine({ maxSequences: 1 });
    const generations = [1, 2].map((token) => engine.generate({ tokens: [token], ignoreEnd: true }));
    await generations[0]?.[Symbol.asyncIterator]().next();
    await engine.close();
    for (const generation of generations) expect(await rejection(generation.result)).toMatchObject({ code: 'GS_ABORTED' });
    expect(runner.open.size).toBe(0);
    expect(await rejection(engine.generate({ tokens: [1] }).result)).toMatchObject({ code: 'GS_CLOSED' });
    await engine.close();
  });
});

describe('idle', () => {
  it('waits for the step that an aborted request was part of, and for requests that wait', async () => {
    let stepping = 0;
    let release: (() => void) | undefined;
    const { engine, runner } = await fakeEngine({
      before: async () => {
        stepping++;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        stepping--;
      },
    });
    await engine.idle();
    const aborted = engine.generate({ tokens: [1], maxTokens: 5 });
    while (release === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    aborted.abort();
    await rejection(aborted.result);
    expect(stepping).toBe(1);
    let isIdle = false;
    const idle = engine.idle().then(() => {
      isIdle = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(isIdle).toBe(false);
    const next = engine.generate({ messages: [{ role: 'user', content: 'x' }], maxTokens: 1 });
    const timer = setInterval(() => release?.(), 1);
    await idle;
    clearInterval(timer);
    expect([stepping, runner.open.size]).toEqual([0, 0]);
    expect(engine.load).toEqual({ running: 0, waiting: 0 });
    await Promise.allSettled([next.result]);
  });
});
