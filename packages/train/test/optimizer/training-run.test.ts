import type { Trainer, TrainStepInput } from '@gateskip/backend';
import { referenceBackend } from '@gateskip/backend-reference';
import { branchCount, createGateSet } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';
import { AdamW, clipGradients, decodeAdamWState, encodeAdamWState, learningRateAt } from '@gateskip/train';
import { describe, expect, it } from 'vitest';

const config = { layers: 2, hiddenSize: 16, heads: 2, kvHeads: 1, headSize: 8, intermediateSize: 24, vocabularySize: 32 };
const model = createRandomModel({ seed: 3, config });
const ROWS = 16;
const STEPS = 40;

async function openTrainer(): Promise<Trainer> {
  const spec = { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false } as const;
  const gates = createGateSet(spec, config, { seed: 7, biasStart: 0, weightStandardDeviation: 0.3 });
  const lora = { rank: 4, alpha: 8, matrices: ['query', 'value', 'mlpDown'], seed: 5 } as const;
  return referenceBackend.loadTrainer!(model, { gates, lora, trainable: ['gates', 'standIns', 'lora'] });
}

/** A text that repeats every 8 tokens, half of whose rows may skip; the segment moves with the step. */
function batchOf(step: number): TrainStepInput {
  const tokenAt = (i: number) => ((i % 8) * 5 + 3) % config.vocabularySize;
  const branches = branchCount(config);
  return {
    tokens: Int32Array.from({ length: ROWS }, (_, i) => tokenAt(i + step)),
    segmentLengths: Int32Array.of(ROWS),
    plan: {
      scorer: 'gate',
      rules: Array.from({ length: branches }, (_, branch) => (branch < 1 ? 'keep' : 'threshold')),
      values: new Float32Array(branches).fill(0.5),
      kv: 'project',
      pinned: Uint8Array.from({ length: ROWS }, (_, row) => (row === 0 ? 1 : 0)),
    },
    straightThrough: { temperature: 0.2 },
    loss: { crossEntropy: { targets: Int32Array.from({ length: ROWS }, (_, i) => tokenAt(i + step + 1)), weight: 1 } },
  };
}

async function train(trainer: Trainer, optimizer: AdamW, from: number, to: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step < to; step++) {
    trainer.zeroGradients();
    losses.push((await trainer.step(batchOf(step))).loss);
    await clipGradients(trainer.parameters, 1);
    await optimizer.update(learningRateAt({ shape: 'cosine', peak: 0.03, warmupSteps: 4, totalSteps: STEPS }, step));
  }
  return losses;
}

describe('a trainer and AdamW together', () => {
  it('learn a text while skipping, and go on from a checkpoint bit for bit', async () => {
    const trainer = await openTrainer();
    const optimizer = new AdamW(trainer.parameters);
    await train(trainer, optimizer, 0, STEPS / 2);
    const checkpoint = {
      state: encodeAdamWState(optimizer.state()),
      values: new Map(trainer.parameters.map(({ name, value }) => [name, value.slice()])),
    };
    const second = await train(trainer, optimizer, STEPS / 2, STEPS);
    const { loss, skipShare } = await trainer.evaluate(batchOf(STEPS));
    // Less than which of the 8 tokens occur at all can tell: it learned what follows what.
    expect(loss).toBeLessThan(Math.log(8));
    expect(skipShare).toBeGreaterThan(0.05);

    const resumed = await openTrainer();
    for (const { name, value } of resumed.parameters) value.set(checkpoint.values.get(name)!);
    const later = new AdamW(resumed.parameters);
    later.restore(decodeAdamWState(checkpoint.state));
    expect(await train(resumed, later, STEPS / 2, STEPS)).toEqual(second);
    expect(resumed.parameters.map(({ value }) => value)).toEqual(trainer.parameters.map(({ value }) => value));
    expect(later.state()).toEqual(optimizer.state());
  });
});
