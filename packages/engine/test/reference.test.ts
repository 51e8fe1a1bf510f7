import { referenceBackend } from '@gateskip/backend-reference';
import { createRandomModel, type GateAdapter } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { createEngine, type EngineOptions, type GenerateRequest, type GenerationResult } from '../src/index.js';
import { randomAdapter } from './random-adapter.js';

const model = createRandomModel({ seed: 11, config: { contextLength: 128 } });
const adapter = randomAdapter(model, 5);

function engineOf(options: Partial<EngineOptions> = {}) {
  return createEngine({ model, backend: referenceBackend, adapter, ...options });
}

/** What must not depend on who else runs or how the prompt was cut. */
function essence(result: GenerationResult) {
  const { tokens, logprobs, kvRows, skip } = result;
  return { tokens, logprobs, kvRows, skip };
}

const promptOf = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, index) => (index * index * 7 + seed * 13 + index) % 128);
const samplings: NonNullable<GenerateRequest['sampling']>[] = [
  {},
  { temperature: 1, seed: 7 },
  { temperature: 0.9, topK: 12, seed: 8 },
  { temperature: 1.2, topP: 0.8, minP: 0.05, seed: 9 },
  { repetitionPenalty: 1.2 },
];

const settings: [name: string, request: GenerateRequest][] = [
  ['dense', {}],
  ...(['project', 'absent', 'alias'] as const).map((kv): [string, GenerateRequest] => [
    `a third skipped, kv ${kv}`,
    { budget: { skip: 0.33 }, kv },
  ]),
  ['90 % of the work', { budget: { net: 0.9 } }],
];

describe('on the reference backend', () => {
  it.each(settings)('%s: alone, in a batch of eight and in other chunks the same tokens', async (_, setting) => {
    const request: GenerateRequest = { ...setting, tokens: promptOf(37, 1), maxTokens: 24, logprobs: 2 };
    const alone = await engineOf();
    const crowded = await engineOf({ maxRows: 48 });
    for (const sampling of samplings) {
      const expected = essence(await alone.generate({ ...request, sampling }).result);
      expect(expected.tokens).toHaveLength(24);
      for (const prefillChunk of [1, 5, 16]) {
        expect(essence(await alone.generate({ ...request, sampling, prefillChunk }).result)).toEqual(expected);
      }
      const mates = Array.from({ length: 7 }, (_unused, index) =>
        crowded.generate({
          tokens: promptOf(5 + 9 * index, index),
          maxTokens: 3 + 3 * index,
          sampling: samplings[index % samplings.length] as object,
          ...(index % 2 === 0 ? { budget: { skip: 0.1 + 0.05 * index } } : {}),
        }),
      );
      const inBatch = crowded.generate({ ...request, sampling, prefillChunk: 8 });
      // Log-probabilities may differ in the last bit of float32: whether a mate needs all logits decides who sums them.
      const got = essence(await inBatch.result);
      expect({ ...got, logprobs: undefined }).toEqual({ ...expected, logprobs: undefined });
      for (const [index, entry] of (got.logprobs ?? []).entries()) {
        expect(Math.abs(entry.logprob - (expected.logprobs?.[index]?.logprob ?? 0))).toBeLessThan(8 * 2 ** -23);
      }
      await Promise.all(mates.map((mate) => mate.result));
    }
    for (const engine of [alone, crowded]) {
      expect(engine.runner.kvUsage().used).toBe(0);
      await engine.close();
    }
  });

  it('a request that had to wait for memory is computed again to the same end, its policy too', async () => {
    const alone = await engineOf();
    // Room for two and a half of the four: 61 tokens each.
    const narrow = await engineOf({ load: { maxTokens: 150 } });
    const requests: GenerateRequest[] = [0, 1, 2, 3].map((seed) => ({
      tokens: promptOf(37, seed),
      maxTokens: 24,
      trace: true,
      sampling: { temperature: 1, seed },
      ...(seed === 0 ? {} : { budget: { skip: 0.3 }, kv: seed === 1 ? 'project' : 'absent' }),
    }));
    const expected: GenerationResult[] = [];
    for (const request of requests) expected.push(await alone.generate(request).result);
    const results = await Promise.all(requests.map((request) => narrow.generate(request).result));
    results.forEach((result, index) => {
      expect([essence(result), result.trace]).toEqual([essence(expected[index] as GenerationResult), expected[index]?.trace]);
    });
    await Promise.all([alone.close(), narrow.close()]);
  });

  it('the published ranking over the batch: every request hears what its own rows skipped', async () => {
    const engine = await engineOf();
    const results = await Promise.all(
      [1, 2, 3].map(
        (seed) =>
          engine.generate({ tokens: promptOf(20, seed), maxTokens: 10, policy: 'branch-quantile', budget: { skip: 0.25 }, trace: true })
            .result,
      ),
    );
    let skipped = 0;
    for (const { trace, skip } of results) {
      const kept = Array.from(
        { length: 6 },
        (_, branch) => Array.from(trace?.kept ?? []).filter((flag, index) => index % 6 === branch && flag === 1).length,
      );
      skip.branches.forEach((share, branch) => {
        expect(share).toBeCloseTo(1 - (kept[branch] as number) / 29, 12);
      });
      expect(skip.held.net).toBeLessThan(1);
      skipped += skip.held.skip / 3;
    }
    expect(skipped).toBeGreaterThan(0.15);
    await engine.close();
  });

  it('skips what was asked, pays less, and with kv absent keeps fewer rows', async () => {
    const engine = await engineOf();
    const request: GenerateRequest = { tokens: promptOf(60, 2), maxTokens: 60, trace: true };
    const dense = await engine.generate(request).result;
    expect(dense.skip).toMatchObject({ asked: undefined, held: { skip: 0, net: 1 } });
    expect(dense.kvRows).toEqual({ used: 119 * 3, dense: 119 * 3 });
    const skipped = await engine.generate({ ...request, budget: { skip: 0.3 }, kv: 'absent' }).result;
    expect(skipped.skip.held.skip).toBeGreaterThan(0.2);
    expect(skipped.skip.held.net).toBeLessThan(0.9);
    expect(skipped.kvRows.dense).toBe(119 * 3);
    const kept = skipped.trace?.kept ?? new Uint8Array(0);
    // One K/V row for every kept attention branch of every token: the trace, the shares and the rows tell one story.
    let attentionRows = 0;
    let all = 0;
    kept.forEach((flag, index) => {
      all += flag;
      if (index % 2 === 0) attentionRows += flag;
    });
    expect(kept).toHaveLength(119 * 6);
    expect(skipped.kvRows.used).toBe(attentionRows);
    expect(skipped.skip.held.skip).toBeCloseTo(1 - all / kept.length, 12);
    expect(skipped.trace?.scores.every((score) => score > 0 && score < 1)).toBe(true);
    expect([...kept.subarray(0, 6)]).toEqual([1, 1, 1, 1, 1, 1]);
    await engine.close();
  });

  it('a budget without an adapter is refused where the policy needs gates', async () => {
    const engine = await createEngine({ model, backend: referenceBackend });
    await expect(engine.generate({ tokens: [1], budget: { skip: 0.2 } }).result).rejects.toMatchObject({ code: 'GS_POLICY_NEEDS' });
    await expect(engine.generate({ tokens: [1], budget: { skip: 0.2 }, policy: 'no such' }).result).rejects.toMatchObject({
      code: 'GS_UNKNOWN_POLICY',
    });
    expect((await engine.generate({ tokens: [1], budget: { skip: 0.2 }, policy: 'random', maxTokens: 8 }).result).policy).toBe('random');
    await engine.close();
  });

  it('NaN weights end a request with the typed error on both paths', async () => {
    const broken = {
      ...model,
      read: async (name: string) => {
        const bytes = await model.read(name);
        return name === 'outputNorm' ? new Uint8Array(bytes.length).fill(255) : bytes;
      },
    };
    const engine = await createEngine({ model: broken, backend: referenceBackend });
    for (const sampling of samplings) {
      await expect(engine.generate({ tokens: [1], sampling }).result).rejects.toMatchObject({ code: 'GS_NON_FINITE_LOGITS' });
    }
    await engine.close();
  });
});

/** The random adapter with a low-rank addition to every query matrix, less of it where less is skipped. */
function weighedAdapter(): GateAdapter {
  const { layers, hiddenSize, heads, headSize } = model.config;
  const wave = (length: number, size: number): Float32Array => Float32Array.from({ length }, (_, i) => size * Math.sin(1 + 3 * i));
  const query = { down: wave(2 * hiddenSize, 0.2), up: wave(heads * headSize * 2, 0.5) };
  const { calibration } = adapter;
  return {
    ...adapter,
    formatVersion: 2,
    backbone: { lora: { rank: 2, alpha: 4, matrices: ['query'], layers: Array.from({ length: layers }, () => ({ query })) } },
    calibration: { ...calibration, curve: calibration.curve.map((knot) => ({ ...knot, loraStrength: Math.min(1, 4 * knot.skip) })) },
  };
}

describe('an adapter that adds less to the model where less is skipped', () => {
  const request: GenerateRequest = { tokens: promptOf(20, 3), maxTokens: 16, logprobs: 2, ignoreEnd: true };

  it('is the model itself without a budget, and another one under a budget', async () => {
    const plain = await engineOf({ adapter: undefined });
    const weighed = await engineOf({ adapter: weighedAdapter() });
    const [expected, dense] = [await plain.generate(request).result, await weighed.generate(request).result];
    expect(essence(dense)).toEqual(essence(expected));
    expect(dense.skip.prefill.net).toBe(1);
    const gated = await engineOf();
    const [without, withAdditions] = [
      await gated.generate({ ...request, budget: { skip: 0.2 } }).result,
      await weighed.generate({ ...request, budget: { skip: 0.2 } }).result,
    ];
    expect(withAdditions.logprobs).not.toEqual(without.logprobs);
  });
});
