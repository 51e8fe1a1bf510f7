import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LoadOptions, mergeLora, type Runner } from '@gateskip/backend';
import { createRandomAdapter, FLOAT32_TOLERANCE } from '@gateskip/backend/conformance';
import { branchCount, densePlan } from '@gateskip/gate';
import {
  createMemoryModel,
  createRandomModel,
  dequantize,
  type GateAdapter,
  type MemoryTensor,
  type Model,
  quantize,
} from '@gateskip/model';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { cpuBackend } from '../src/index.js';
import { type FileModel, toFile } from './file-model.js';

const code = (expected: string) => expect.objectContaining({ code: expected });

async function answer(model: Model, options: LoadOptions) {
  const runner: Runner = await cpuBackend.load(model, options);
  const sequence = runner.openSequence();
  const tokens = Int32Array.of(1, 2, 3, 4, 5);
  const input = { tokens, segments: [{ sequence, start: 0, length: 5, plan: 0 }], outputs: Int32Array.of(0, 4) };
  const { logits, macs, denseMacs } = await runner.step(input, [densePlan(branchCount(runner.config))]);
  await runner.close();
  return { logits: logits!, macs: macs[0]!, denseMacs: denseMacs[0]!, details: runner.details };
}

const distance = (a: Float32Array, b: Float32Array) => Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.hypot(...a);

/** The model with additions written into its matrices, each in its own type: what `merge` should load. */
async function mergedByHand(model: Model, { backbone }: GateAdapter): Promise<Model> {
  const lora = backbone!.lora!;
  const tensors = new Map<string, MemoryTensor>();
  for (const [name, { type }] of model.tensors) tensors.set(name, { type, bytes: await model.read(name) });
  for (const [layer, factors] of lora.layers.entries()) {
    for (const [matrix, { down, up }] of Object.entries(factors)) {
      const name = `layers.${layer}.${matrix}`;
      const { type, rows, columns } = model.tensors.get(name)!;
      const values = dequantize(type, await model.read(name), rows * columns);
      mergeLora(values, Float32Array.from(down), Float32Array.from(up), lora.rank, lora.alpha / lora.rank);
      tensors.set(name, { type, bytes: quantize(type, values) });
    }
  }
  return createMemoryModel(model.config, tensors);
}

describe('low-rank additions', () => {
  it('carried and merged into f32 weights give the same; merged ones cost nothing', async () => {
    const model = createRandomModel({ seed: 1 });
    const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 4 } });
    const [plain, carried, merged] = await Promise.all([
      answer(model, {}),
      answer(model, { adapter }),
      answer(model, { adapter, extra: { lora: 'merge' } }),
    ]);
    expect(distance(carried.logits, merged.logits)).toBeLessThan(10 * FLOAT32_TOLERANCE.logits);
    expect(distance(carried.logits, plain.logits)).toBeGreaterThan(0.1);
    expect(carried.macs).toBeGreaterThan(carried.denseMacs);
    expect(merged.macs).toBe(merged.denseMacs);
    expect([plain.details.lora, carried.details.lora, merged.details.lora]).toEqual([undefined, 'carried', 'merged']);
    expect([plain.details.loraBytes, merged.details.loraBytes]).toEqual([0, 0]);
  });

  it('merged into block formats are those weights, rounded again', async () => {
    for (const type of ['Q4_1', 'Q8_0'] as const) {
      const model = createRandomModel({ seed: 2, type });
      const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 4, matrices: ['value', 'mlpDown'] } });
      const merged = await answer(model, { adapter, extra: { lora: 'merge' } });
      const byHand = await answer(await mergedByHand(model, adapter), {});
      // The sums are rounded to float32 in another order, which may move a weight to the next of its 16 or 256 steps.
      expect(distance(merged.logits, byHand.logits)).toBeLessThan(1e-2);
    }
  });

  it('lie in half of the bytes where bfloat16 holds them, and may be given as float64', async () => {
    const model = createRandomModel({ seed: 3 });
    const half = createRandomAdapter(model, { seed: 1, lora: { rank: 4, bfloat: true } });
    const full = createRandomAdapter(model, { seed: 1, lora: { rank: 4 } });
    const bytes = async (adapter: GateAdapter) => (await answer(model, { adapter })).details.loraBytes as number;
    expect((await bytes(full)) / (await bytes(half))).toBeCloseTo(2, 1);
    const lora = half.backbone!.lora!;
    const layers = lora.layers.map((factors) =>
      Object.fromEntries(
        Object.entries(factors).map(([name, { down, up }]) => [name, { down: Float64Array.from(down), up: Float64Array.from(up) }]),
      ),
    );
    const wide: GateAdapter = { ...half, backbone: { lora: { ...lora, layers } } };
    expect((await answer(model, { adapter: wide })).logits).toEqual((await answer(model, { adapter: half })).logits);
  });

  it('unknown words for what becomes of them are refused, and loading can be aborted while they are merged', async () => {
    const model = createRandomModel({ seed: 4 });
    const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 2 } });
    await expect(cpuBackend.load(model, { adapter, extra: { lora: 'sometimes' } })).rejects.toEqual(code('GS_INVALID_ARGUMENT'));
    const controller = new AbortController();
    const loading = cpuBackend.load(model, { adapter, extra: { lora: 'merge' }, signal: controller.signal });
    controller.abort();
    await expect(loading).rejects.toEqual(code('GS_ABORTED'));
  });
});

describe('backbone changes beside the cache of repacked weights', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gateskip-cpu-cache-'));
  let file: FileModel | undefined;
  afterEach(() => {
    file?.remove();
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  it('leave no trace in it', async () => {
    vi.stubEnv('GATESKIP_CACHE_DIR', folder);
    file = await toFile(createRandomModel({ seed: 5, type: 'Q4_1' }));
    const { model } = file;
    const adapter = createRandomAdapter(model, { seed: 1, lora: { rank: 2 }, norms: true });
    const plain = await answer(model, {});
    const changed = await answer(model, { adapter });
    const merged = await answer(model, { adapter, extra: { lora: 'merge' } });
    const extra = { repackCache: true };
    const written = await answer(model, { adapter, extra });
    expect(written.details.repackCache).toBe('written');
    expect(written.logits).toEqual(changed.logits);
    expect((await answer(model, { extra })).logits).toEqual(plain.logits);
    const again = await answer(model, { adapter, extra });
    expect(again.details.repackCache).toMatch(/mapped|read|used/);
    expect(again.logits).toEqual(changed.logits);
    const mergedBeside = await answer(model, { adapter, extra: { ...extra, lora: 'merge' } });
    expect(mergedBeside.details.repackCache).toMatch(/merged weights/);
    expect(mergedBeside.logits).toEqual(merged.logits);
  });
});
