import type { LayerMatrix, Trainer, TrainerOptions, TrainStepInput } from '@gateskip/backend';
import { branchCount, createGateSet, densePlan, type GateSpec, type Plan } from '@gateskip/gate';
import { createRandomModel, type ModelConfig } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { findAddon } from '../src/addon.js';
import { cpuBackend } from '../src/index.js';
import { checkStepMemory, stepBytes } from '../src/trainer-memory.js';

const SPEC: GateSpec = { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false };
const MATRICES: readonly LayerMatrix[] = ['query', 'key', 'value', 'attentionOutput', 'mlpGate', 'mlpUp', 'mlpDown'];

const model = (config: Partial<ModelConfig> = {}) => createRandomModel({ seed: 3, type: 'Q4_0', config });

async function open(options: Partial<TrainerOptions> = {}, config: Partial<ModelConfig> = {}): Promise<Trainer> {
  const made = model(config);
  const gates = createGateSet(SPEC, made.config, { seed: 5, biasStart: 0, weightStandardDeviation: 0.3 });
  const lora = { rank: 3, alpha: 6, matrices: MATRICES, seed: 7 };
  return cpuBackend.loadTrainer!(made, { gates, lora, trainable: ['gates', 'standIns', 'lora', 'norms', 'backbone'], ...options });
}

/** Two segments under a plan that skips about half, straight through. */
function input({ config }: Trainer, rows = 150): TrainStepInput {
  const branches = branchCount(config);
  const plan: Plan = {
    scorer: 'gate',
    rules: new Array(branches).fill('threshold'),
    values: new Float32Array(branches).fill(0.5),
    kv: 'absent',
    seed: 0,
  };
  const tokens = Int32Array.from({ length: rows }, (_, row) => (row * 37 + 11) % config.vocabularySize);
  const first = Math.floor(rows / 3);
  return {
    tokens,
    segmentLengths: Int32Array.of(first, rows - first),
    plan,
    straightThrough: { temperature: 0.1 },
    loss: { crossEntropy: { targets: tokens.map((token) => (token + 1) % config.vocabularySize), weight: 1 } },
  };
}

describe.skipIf(!('addon' in findAddon()))('a trainer on the processor', () => {
  it('gives the same bits with any number of threads', async () => {
    const runs = await Promise.all(
      [1, 2, 5].map(async (threads) => {
        await using trainer = await open({ threads });
        const { loss, kept } = await trainer.step(input(trainer));
        return { loss, kept, gradients: trainer.parameters.map(({ gradient }) => gradient) };
      }),
    );
    expect(runs[0]!.kept.some((count) => count > 0 && count < 150)).toBe(true);
    for (const run of runs.slice(1)) expect(run).toEqual(runs[0]);
  });

  it('steps downhill: one step of plain descent lowers the loss by what its gradient says', async () => {
    await using trainer = await open({ trainable: ['lora'] });
    const { straightThrough: _, ...step } = input(trainer);
    const dense: TrainStepInput = { ...step, plan: densePlan(branchCount(trainer.config)) };
    const before = await trainer.step(dense);
    let squares = 0;
    for (const { value, gradient } of trainer.parameters) {
      for (let i = 0; i < value.length; i++) {
        squares += gradient[i]! ** 2;
        value[i]! -= 1e-2 * gradient[i]!;
      }
    }
    const after = await trainer.evaluate(dense);
    expect(squares).toBeGreaterThan(0);
    // To first order; what the second order adds is a small part at this step size.
    expect((before.loss - after.loss) / (1e-2 * squares)).toBeGreaterThan(0.8);
    expect((before.loss - after.loss) / (1e-2 * squares)).toBeLessThan(1.2);
  });

  it('stops in the middle of a step, with gradients zero, and goes on afterwards', async () => {
    await using trainer = await open({ maxRows: 4096, threads: 1 }, { layers: 8, contextLength: 4096 });
    const step = input(trainer, 1500);
    await trainer.step(input(trainer, 10));
    const controller = new AbortController();
    const running = trainer.step(step, controller.signal);
    setTimeout(() => controller.abort(), 5);
    await expect(running).rejects.toMatchObject({ code: 'GS_ABORTED' });
    for (const { gradient } of trainer.parameters) expect(gradient.every((value) => value === 0)).toBe(true);
    expect((await trainer.step(input(trainer, 10))).loss).toBeGreaterThan(0);
  });

  it('leaves the event loop alone while it runs', async () => {
    await using trainer = await open({ maxRows: 4096, threads: 1 }, { layers: 8, contextLength: 4096 });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 2);
    await trainer.step(input(trainer, 1500));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });

  it('refuses options that it does not know, and steps that memory cannot hold', async () => {
    await expect(open({ extra: { precision: 'int4' } })).rejects.toMatchObject({ code: 'GS_INVALID_ARGUMENT' });
    await expect(open({ extra: { isa: 'none such' } })).rejects.toMatchObject({ code: 'GS_INVALID_ARGUMENT' });
    const { config } = model();
    expect(() => checkStepMemory(config, 1e12, false)).toThrowError(expect.objectContaining({ code: 'GS_INSUFFICIENT_MEMORY' }));
    expect(() => checkStepMemory(config, 10, false)).not.toThrow();
    expect(stepBytes(config, 100, true)).toBeLessThan(stepBytes(config, 100, false));
  });

  it('multiplies in bfloat16 where it can when told to try', async () => {
    const scalar = { isa: 'scalar', precision: 'auto' };
    await using plain = await open({ extra: scalar });
    expect(plain.details).toMatchObject({ instructionSet: 'scalar', precision: 'float32' });
    expect((await plain.step(input(plain, 10))).loss).toBeGreaterThan(0);
    await expect(open({ extra: { ...scalar, precision: 'bf16' } })).rejects.toMatchObject({ code: 'GS_UNSUPPORTED' });
    const asked = await open({ extra: { precision: 'bf16' } }).catch(() => undefined);
    await using best = await open({ extra: { precision: 'auto' } });
    expect(best.details).toMatchObject({ precision: asked === undefined ? 'float32' : 'bfloat16' });
    await asked?.close();
  });

  it('says why it cannot be loaded when asked to stop', async () => {
    await expect(open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'GS_ABORTED' });
  });
});
