import { adapterPath } from '@gateskip/adapter-smollm2-135m-instruct';
import { cpuBackend } from '@gateskip/backend-cpu';
import { createEngine, type Engine, type GenerateRequest, type GenerationTrace } from '@gateskip/engine';
import { assertAdapterFits, loadModel, type Model, readAdapter } from '@gateskip/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The whole path on the real model: file, tokenizer, gates, scheduler, CPU backend, engine. */
let model: Model | undefined;
let reason = '';
try {
  model = await loadModel('smollm2-135m');
} catch (error) {
  reason = ` (the model cannot be had: ${error instanceof Error ? error.message : String(error)})`;
}

const MESSAGES = [{ role: 'user', content: 'Write a long story about a lighthouse keeper and a storm.' }];

describe.skipIf(model === undefined)(`SmolLM2-135M-Instruct under a budget${reason}`, () => {
  let engine: Engine;
  beforeAll(async () => {
    const adapter = await readAdapter(adapterPath);
    assertAdapterFits(adapter, model!);
    engine = await createEngine({ model: model!, backend: cpuBackend, adapter });
  });
  afterAll(async () => {
    await engine?.close();
    await model?.close();
  });

  it.each([0.1, 0.25, 0.5])('holds a skip share of %f within a point from decode step 64 to 512, with one user', async (skip) => {
    const { trace, completionTokens } = await engine.generate({
      messages: MESSAGES,
      budget: { skip },
      maxTokens: 513,
      ignoreEnd: true,
      trace: true,
    }).result;
    expect(completionTokens).toBe(513);
    const held = heldShares(trace!);
    expect(held).toHaveLength(512);
    const worst = Math.max(...held.slice(63).map((share) => Math.abs(share - skip)));
    expect(worst).toBeLessThanOrEqual(0.01);
  });

  it('gives the same tokens alone, in a batch of 8 and with other prefill chunks', async () => {
    const request: GenerateRequest = {
      messages: MESSAGES,
      budget: { skip: 0.15 },
      maxTokens: 48,
      sampling: { temperature: 0.8, topK: 40, seed: 7 },
    };
    const alone = await engine.generate(request).result;
    const others = Array.from({ length: 7 }, (_, i) =>
      engine.generate({
        prompt: `Story number ${i}: `.repeat(i + 1),
        budget: { skip: 0.05 * (i + 1) },
        maxTokens: 20 + 7 * i,
        prefillChunk: 5 + i,
      }),
    );
    const inBatch = await engine.generate(request).result;
    await Promise.all(others.map(({ result }) => result));
    const cut = await Promise.all([1, 7, 64].map((prefillChunk) => engine.generate({ ...request, prefillChunk }).result));
    for (const other of [inBatch, ...cut]) {
      expect(other.tokens).toEqual(alone.tokens);
      expect(other.skip.held).toEqual(alone.skip.held);
    }
  });

  it('skips nothing under a budget of nothing: the dense model bit for bit', async () => {
    const request: GenerateRequest = { messages: MESSAGES, maxTokens: 24, logprobs: 5 };
    const dense = await engine.generate(request).result;
    const zero = await engine.generate({ ...request, budget: { skip: 0 } }).result;
    expect(zero.tokens).toEqual(dense.tokens);
    expect(zero.logprobs).toEqual(dense.logprobs);
    expect(dense.skip.held).toEqual({ skip: 0, net: 1 });
  });

  it('frees an aborted request within a step', async () => {
    const steps = countSteps(engine);
    const generation = engine.generate({ messages: MESSAGES, maxTokens: 400, ignoreEnd: true });
    let chunks = 0;
    for await (const _ of generation) {
      if (++chunks === 3) break;
    }
    const atAbort = steps();
    await expect(generation.result).rejects.toMatchObject({ code: 'GS_ABORTED' });
    while (engine.load.running + engine.load.waiting > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(steps() - atAbort).toBeLessThanOrEqual(1);
    expect(engine.runner.kvUsage().used).toBe(0);
  });
});

/** Share of branch evaluations skipped over decode steps 1..n, for every n. */
function heldShares({ kept, branches, promptTokens, tokens }: GenerationTrace): number[] {
  const shares: number[] = [];
  let skipped = 0;
  for (let token = promptTokens; token < tokens.length; token++) {
    for (let branch = 0; branch < branches; branch++) skipped += kept[token * branches + branch] === 1 ? 0 : 1;
    shares.push(skipped / ((token - promptTokens + 1) * branches));
  }
  return shares;
}

/** Counts the runner's steps from here on. */
function countSteps({ runner }: Engine): () => number {
  let count = 0;
  const step = runner.step.bind(runner);
  runner.step = (...parameters) => {
    count++;
    return step(...parameters);
  };
  return () => count;
}
