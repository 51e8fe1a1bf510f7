import { rmSync, truncateSync } from 'node:fs';
import type { LoadOptions, Runner } from '@gateskip/backend';
import { createRandomAdapter } from '@gateskip/backend/conformance';
import { branchCount, densePlan } from '@gateskip/gate';
import { createRandomModel, type Model, type TensorInfo } from '@gateskip/model';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { findAddon } from '../src/addon.js';
import { ADDON_VARIABLE, cpuBackend, INSTRUCTION_SET_VARIABLE } from '../src/index.js';
import { type FileModel, toFile } from './file-model.js';

const code = (expected: string) => expect.objectContaining({ code: expected });
const small = () => createRandomModel({ seed: 5, type: 'Q8_0' });

async function logits(runner: Runner): Promise<Float32Array> {
  const sequence = runner.openSequence();
  const input = { tokens: Int32Array.of(1, 2, 3), segments: [{ sequence, start: 0, length: 3, plan: 0 }], outputs: Int32Array.of(2) };
  const result = await runner.step(input, [densePlan(branchCount(runner.config))]);
  return result.logits!;
}

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe('weights in a file', () => {
  let file: FileModel | undefined;
  afterEach(() => file?.remove());

  it('give what weights in memory give', async () => {
    file = await toFile(small());
    const fromFile = await cpuBackend.load(file.model);
    const fromMemory = await cpuBackend.load(small());
    expect(await logits(fromFile)).toEqual(await logits(fromMemory));
    await fromFile.close();
    await fromMemory.close();
  });

  it('that became shorter, or went away, give a typed error', async () => {
    file = await toFile(small());
    truncateSync(file.path, file.sizeBytes - 1);
    await expect(cpuBackend.load(file.model)).rejects.toEqual(code('GS_MODEL_IO'));
    rmSync(file.path);
    await expect(cpuBackend.load(file.model)).rejects.toEqual(code('GS_MODEL_IO'));
  });

  it('are checked again by the addon: offsets past the end, sizes that do not fit, folders', async () => {
    file = await toFile(small());
    const changed = (change: Partial<{ offset: number; sizeBytes: number; path: string }>): Model => {
      const tensors = new Map(file!.model.tensors);
      const tensor = tensors.get('layers.1.mlpUp') as TensorInfo;
      tensors.set(tensor.name, { ...tensor, data: { ...tensor.data, ...change } as TensorInfo['data'] });
      return { ...file!.model, tensors };
    };
    await expect(cpuBackend.load(changed({ offset: Number.MAX_SAFE_INTEGER }))).rejects.toEqual(code('GS_MODEL_IO'));
    await expect(cpuBackend.load(changed({ sizeBytes: 7 }))).rejects.toEqual(code('GS_INVALID_ARGUMENT'));
    await expect(cpuBackend.load(changed({ path: '/' }))).rejects.toEqual(code('GS_MODEL_IO'));
  });
});

describe('loading', () => {
  it('refuses options that it does not know or cannot serve', async () => {
    const refused: LoadOptions[] = [
      { threads: 0 },
      { threads: 1.5 },
      { threads: 1e9 },
      { maxTokens: Number.NaN },
      { maxTokens: 0 },
      { extra: { isa: 'sse9' } },
      { extra: { isa: 3 } },
      { extra: { kvFormat: 'q2' } },
      { extra: { color: 'red' } },
    ];
    for (const options of refused) {
      await expect(cpuBackend.load(small(), options), JSON.stringify(options)).rejects.toEqual(code('GS_INVALID_ARGUMENT'));
    }
  });

  it('takes the instruction set that the environment names', async () => {
    vi.stubEnv(INSTRUCTION_SET_VARIABLE, 'scalar');
    const runner = await cpuBackend.load(small());
    expect(runner.details).toMatchObject({ instructionSet: 'scalar', kvFormat: 'f16' });
    await runner.close();
    vi.stubEnv(INSTRUCTION_SET_VARIABLE, 'mmx');
    await expect(cpuBackend.load(small())).rejects.toEqual(code('GS_INVALID_ARGUMENT'));
  });

  it('reports progress up to the end, and can be aborted before and meanwhile', async () => {
    const shares: number[] = [];
    const runner = await cpuBackend.load(small(), { onProgress: (share) => shares.push(share) });
    await runner.close();
    expect(shares.at(-1)).toBe(1);
    await expect(cpuBackend.load(small(), { signal: AbortSignal.abort() })).rejects.toEqual(code('GS_ABORTED'));
    const controller = new AbortController();
    const pending = cpuBackend.load(createRandomModel({ seed: 6, config: { vocabularySize: 20_000 } }), { signal: controller.signal });
    controller.abort();
    await expect(pending).rejects.toEqual(code('GS_ABORTED'));
  });

  it('estimates memory first', async () => {
    vi.spyOn(process, 'availableMemory').mockReturnValue(1000);
    await expect(cpuBackend.load(small())).rejects.toEqual(code('GS_INSUFFICIENT_MEMORY'));
  });

  it('says why it is not available, without throwing until it is asked to load', async () => {
    vi.stubEnv(ADDON_VARIABLE, '/nonexistent/gateskip.node');
    expect(findAddon()).toHaveProperty('reasons');
    const availability = await cpuBackend.probe();
    expect(availability.available).toBe(false);
    expect(availability.reasons.join()).toContain('gateskip-build-cpu');
    expect(await cpuBackend.explain({})).toEqual(availability.reasons);
    await expect(cpuBackend.load(small())).rejects.toEqual(code('GS_BACKEND_UNAVAILABLE'));
  });

  it('refuses an adapter of another model with both shapes', async () => {
    const adapter = createRandomAdapter(createRandomModel({ seed: 1, config: { hiddenSize: 96 } }), { seed: 1 });
    await expect(cpuBackend.load(small(), { adapter })).rejects.toEqual(code('GS_SHAPE_MISMATCH'));
  });
});

describe('a step', () => {
  it('leaves the event loop free and stops within a branch when it is aborted', async () => {
    const model = createRandomModel({
      seed: 9,
      type: 'Q4_0',
      config: { layers: 8, hiddenSize: 512, intermediateSize: 2048, heads: 8, kvHeads: 8, headSize: 64, contextLength: 4096 },
    });
    const runner = await cpuBackend.load(model, { threads: 1, extra: { isa: 'scalar' } });
    const sequence = runner.openSequence();
    const tokens = new Int32Array(1024);
    const controller = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 5) controller.abort();
    }, 2);
    const segments = [{ sequence, start: 0, length: tokens.length, plan: 0 }];
    await expect(
      runner.step({ tokens, segments, outputs: new Int32Array(0) }, [densePlan(branchCount(model.config))], controller.signal),
    ).rejects.toEqual(code('GS_ABORTED'));
    clearInterval(timer);
    expect(ticks).toBeGreaterThanOrEqual(5);
    expect(runner.sequenceLength(sequence)).toBe(0);
    expect(runner.kvUsage().used).toBe(0);
    await runner.close();
  });

  it('returns the same bits with any number of threads', async () => {
    const model = createRandomModel({ seed: 3, type: 'Q4_1' });
    const results: Float32Array[] = [];
    for (const threads of [1, 2, 5]) {
      const runner = await cpuBackend.load(model, { threads });
      results.push(await logits(runner));
      await runner.close();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('returns the same bits over long contexts however they were cut, with any number of threads', async () => {
    const model = createRandomModel({ seed: 4, type: 'Q4_0', config: { contextLength: 1024 } });
    const plan = densePlan(branchCount(model.config));
    const tokens = Int32Array.from({ length: 700 }, (_, i) => (i * 37) % model.config.vocabularySize);
    // 700 keys are three spans: steps of one row deal spans to threads, long steps deal tiles of rows.
    const cuts: [threads: number, parts: number[]][] = [
      [1, [700]],
      [2, [699, 1]],
      [5, [1, 255, 1, 97, 300, 40, 6]],
      [3, [600, ...Array<number>(100).fill(1)]],
    ];
    for (const kvFormat of ['f16', 'q8']) {
      const results: Float32Array[] = [];
      for (const [threads, parts] of cuts) {
        const runner = await cpuBackend.load(model, { threads, extra: { kvFormat } });
        const sequence = runner.openSequence();
        let at = 0;
        let last: Float32Array | undefined;
        for (const length of parts) {
          const segments = [{ sequence, start: 0, length, plan: 0 }];
          const input = { tokens: tokens.slice(at, at + length), segments, outputs: Int32Array.of(length - 1) };
          last = (await runner.step(input, [plan])).logits;
          at += length;
        }
        results.push(last!);
        await runner.close();
      }
      for (const result of results.slice(1)) expect(result).toEqual(results[0]);
    }
  });
});
