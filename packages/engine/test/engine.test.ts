import { BusyError } from '@gateskip/errors';
import { describe, expect, it } from 'vitest';
import type { GenerateRequest } from '../src/index.js';
import { end, pieceToken } from './fake-tokenizer.js';
import { collect, fakeEngine, rejection, scripted } from './helpers.js';

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
