import { referenceBackend } from '@gateskip/backend-reference';
import { branchCount, type Rule } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { drawLabels } from '../src/fit/draw-labels.js';
import { fisherLosses } from '../src/fit/fisher-losses.js';
import type { BranchStandIn } from '../src/fit/stand-ins.js';
import { Pacer } from '../src/progress.js';
import { randomSequences } from './fit-request.js';

const model = createRandomModel({
  seed: 5,
  config: { layers: 3, hiddenSize: 32, heads: 2, kvHeads: 1, headSize: 16, intermediateSize: 48 },
});
const branches = branchCount(model.config);
const { vocabularySize, hiddenSize } = model.config;
const LENGTH = 20;
const PINNED = 2;
const [window] = randomSequences(1, LENGTH, vocabularySize, 3) as [Int32Array];
const standIns: BranchStandIn[] = Array.from({ length: branches }, () => ({ vector: new Float32Array(hiddenSize) }));
const options = { kv: 'project', pinnedTokens: PINNED } as const;

describe('fisherLosses', () => {
  it('says what skipping one row of one branch does to all predictions', async () => {
    // Every window draws labels of its own: their mean is the expectation.
    const draws = 300;
    const losses = await fisherLosses(
      { model, backend: referenceBackend },
      Array.from({ length: draws }, () => window),
      standIns,
      options,
      new Pacer('test'),
    );
    const rows = LENGTH - PINNED;
    const estimated: number[] = [];
    const measured: number[] = [];
    const divergence = await skippingDivergence();
    for (let branch = 0; branch < branches; branch++) {
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let draw = 0; draw < draws; draw++) sum += losses[branch]![draw * rows + row]!;
        estimated.push(Math.log(sum / draws));
        measured.push(Math.log(await divergence(branch, row + PINNED)));
      }
    }
    // Second order and 300 draws: not the same number, but the same story over orders of magnitude.
    expect(correlation(estimated, measured)).toBeGreaterThan(0.9);
    const offset = mean(estimated) - mean(measured);
    expect(Math.abs(offset)).toBeLessThan(Math.log(1.5));
  }, 60_000);

  it('is the same again, and leaves pinned rows out', async () => {
    const run = () => fisherLosses({ model, backend: referenceBackend }, [window], standIns, options, new Pacer('test'));
    const losses = await run();
    expect(losses).toHaveLength(branches);
    for (const list of losses) expect(list).toHaveLength(LENGTH - PINNED);
    expect(await run()).toEqual(losses);
  });

  it('is smaller under stand-ins that say what the branch would', async () => {
    const total = (losses: readonly Float64Array[], branch: number): number => losses[branch]!.reduce((sum, loss) => sum + loss, 0);
    const run = (given: readonly BranchStandIn[]) =>
      fisherLosses({ model, backend: referenceBackend }, [window], given, options, new Pacer('test'));
    const plain = await run(standIns);
    const outputs = await meanOutputs();
    const informed = await run(outputs.map((vector) => ({ vector })));
    const better = outputs.filter((_, branch) => total(informed, branch) < total(plain, branch));
    expect(better.length).toBeGreaterThan(branches / 2);
  });
});

describe('drawLabels', () => {
  const rows = (repeats: number) => ({
    count: 3,
    tokens: Int32Array.from({ length: 3 * repeats }, (_, i) => [7, 2, 9][i % 3]!),
    logProbabilities: Float32Array.from({ length: 3 * repeats }, (_, i) => Math.log([0.4, 0.3, 0.1][i % 3]!)),
    tailMass: new Float32Array(repeats).fill(0.2),
  });

  it('draws as often as the model expects, the rest left out', () => {
    const drawn = drawLabels(rows(20_000), 11);
    for (const [token, probability] of [
      [7, 0.5],
      [2, 0.375],
      [9, 0.125],
    ] as const) {
      const share = drawn.filter((label) => label === token).length / drawn.length;
      // Four standard errors.
      expect(Math.abs(share - probability)).toBeLessThan(4 * Math.sqrt((probability * (1 - probability)) / drawn.length));
    }
  });

  it('draws the same for the same seed, something else for another', () => {
    expect(drawLabels(rows(50), 1)).toEqual(drawLabels(rows(50), 1));
    expect(drawLabels(rows(50), 1)).not.toEqual(drawLabels(rows(50), 2));
  });
});

/** KL(dense || one row of one branch skipped), summed over the rows. */
async function skippingDivergence(): Promise<(branch: number, row: number) => Promise<number>> {
  const trainer = await referenceBackend.loadTrainer!(model, { trainable: [] });
  const every = Int32Array.from({ length: LENGTH }, (_, row) => row);
  const logProbabilities = async (branch: number, skipped: number) => {
    const scores = new Float32Array(branches * LENGTH).fill(1);
    if (skipped >= 0) scores[branch * LENGTH + skipped] = 0;
    const { logits } = await trainer.evaluate({
      tokens: window,
      segmentLengths: Int32Array.of(LENGTH),
      plan: {
        scorer: 'given',
        scores,
        rules: new Array<Rule>(branches).fill('threshold'),
        values: new Float32Array(branches).fill(0.5),
        kv: 'project',
        pinned: new Uint8Array(LENGTH),
      },
      loss: { crossEntropy: { targets: new Int32Array(LENGTH), weight: 1 } },
      want: { logits: every },
    });
    return logSoftmax(logits!);
  };
  const dense = await logProbabilities(0, -1);
  return async (branch, row) => {
    const other = await logProbabilities(branch, row);
    return dense.reduce((sum, value, i) => sum + Math.exp(value) * (value - other[i]!), 0);
  };
}

function logSoftmax(logits: Float32Array): Float64Array {
  const values = Float64Array.from(logits);
  for (let first = 0; first < values.length; first += vocabularySize) {
    const row = values.subarray(first, first + vocabularySize);
    const most = Math.max(...row);
    const sum = Math.log(row.reduce((total, value) => total + Math.exp(value - most), 0)) + most;
    for (let i = 0; i < row.length; i++) row[i]! -= sum;
  }
  return values;
}

async function meanOutputs(): Promise<Float32Array[]> {
  const runner = await referenceBackend.load(model);
  const sequence = runner.openSequence();
  const { hidden } = await runner.step(
    { tokens: window, segments: [{ sequence, start: 0, length: LENGTH, plan: 0 }], outputs: new Int32Array(0), want: { hidden: true } },
    [{ scorer: 'none', rules: new Array<Rule>(branches).fill('keep'), values: new Float32Array(branches), kv: 'project' }],
  );
  await runner.close();
  return Array.from({ length: branches }, (_, branch) => {
    const mean = new Float32Array(hiddenSize);
    for (let row = 0; row < LENGTH; row++)
      for (let i = 0; i < hiddenSize; i++) mean[i]! += hidden!.outputs[(branch * LENGTH + row) * hiddenSize + i]! / LENGTH;
    return mean;
  });
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  let [product, squareA, squareB] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    product += (value - meanA) * (b[i]! - meanB);
    squareA += (value - meanA) ** 2;
    squareB += (b[i]! - meanB) ** 2;
  }
  return product / Math.sqrt(squareA * squareB);
}
