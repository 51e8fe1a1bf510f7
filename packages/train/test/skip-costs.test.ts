import type { Trainer, TrainerOptions, TrainStepInput } from '@gateskip/backend';
import { referenceBackend } from '@gateskip/backend-reference';
import { branchCount, createGateSet, type GateSet } from '@gateskip/gate';
import { createRandomModel } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { SkipCosts } from '../src/fit/skip-costs.js';
import { Pacer } from '../src/progress.js';
import { randomSequences } from './fit-request.js';

const model = createRandomModel({
  seed: 5,
  config: { layers: 3, hiddenSize: 32, heads: 2, kvHeads: 1, headSize: 16, intermediateSize: 48 },
});
const branches = branchCount(model.config);
const LENGTH = 24;
const PINNED = 2;
const windows = randomSequences(5, LENGTH, model.config.vocabularySize, 3);
const rows = windows.length * (LENGTH - PINNED);
const gates: GateSet = createGateSet({ variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false }, model.config, {
  seed: 3,
  biasStart: 0,
  weightStandardDeviation: 0.3,
});
const free = [1, 2, 4, 5];
const perMac = Array.from({ length: branches }, (_, branch) => 1 + branch / 2);
const request = { model, backend: referenceBackend, windows, kv: 'project' as const, pinnedTokens: PINNED, free, perMac };

interface Seen {
  readonly input: TrainStepInput;
  readonly keptRows: Uint8Array;
  readonly gains: Float32Array;
  readonly scores: Float32Array;
}

/** The reference backend, and what its trainers were asked and said. */
function watched(): { readonly backend: typeof referenceBackend; readonly seen: Seen[]; readonly open: () => number } {
  const seen: Seen[] = [];
  let open = 0;
  const loadTrainer = async (...parameters: [typeof model, TrainerOptions]): Promise<Trainer> => {
    const trainer = await referenceBackend.loadTrainer!(...parameters);
    open++;
    return new Proxy(trainer, {
      get(target, key) {
        if (key === 'step')
          return async (input: TrainStepInput, signal?: AbortSignal) => {
            const result = await target.step({ ...input, want: { ...input.want, scores: true } }, signal);
            seen.push({ input, keptRows: result.keptRows!, gains: result.gains!, scores: result.scores! });
            return result;
          };
        if (key === 'close') open--;
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  return { backend: { ...referenceBackend, loadTrainer } as typeof referenceBackend, seen, open: () => open };
}

/** Logits of the gates for the rows of the traces, by a run in which nothing skips. */
async function denseLogits(): Promise<Float64Array[]> {
  const trainer = await referenceBackend.loadTrainer!(model, { gates, trainable: [] });
  const logits = Array.from({ length: branches }, () => new Float64Array(rows));
  for (const [window, tokens] of windows.entries()) {
    const { scores } = await trainer.evaluate({
      tokens,
      segmentLengths: Int32Array.of(LENGTH),
      plan: { scorer: 'gate', rules: logits.map(() => 'threshold' as const), values: new Float32Array(branches), kv: 'project' },
      loss: { crossEntropy: { targets: new Int32Array(LENGTH), weight: 1 } },
      want: { scores: true },
    });
    for (const [branch, list] of logits.entries())
      for (let row = PINNED; row < LENGTH; row++) {
        const score = scores![branch * LENGTH + row]!;
        list[window * (LENGTH - PINNED) + row - PINNED] = Math.log(score / (1 - score));
      }
  }
  await trainer.close();
  return logits;
}

describe('SkipCosts', () => {
  it('knows of every row that skipped what that cost per MAC, against what skips cost in its window', async () => {
    const { backend, seen, open } = watched();
    const costs = new SkipCosts({ ...request, backend });
    await costs.measure(gates, await denseLogits(), new Pacer('test'));
    expect(open()).toBe(0);
    expect(seen).toHaveLength(windows.length);
    const expected = Array.from({ length: branches }, () => ({ rows: [] as number[], costs: [] as number[] }));
    for (const [window, { keptRows, gains }] of seen.entries()) {
      const skipped = free.flatMap((branch) =>
        Array.from({ length: LENGTH }, (_, row) => ({ branch, row })).filter(({ row }) => keptRows[branch * LENGTH + row] === 0),
      );
      const cost = ({ branch, row }: { branch: number; row: number }) => -gains[branch * LENGTH + row]! * perMac[branch]!;
      const size = skipped.reduce((sum, at) => sum + Math.abs(cost(at)), 0) / skipped.length;
      for (const at of skipped) {
        expect(at.row).toBeGreaterThanOrEqual(PINNED);
        expected[at.branch]!.rows.push(window * (LENGTH - PINNED) + at.row - PINNED);
        expected[at.branch]!.costs.push(Math.max(-6, Math.min(6, cost(at) / size)));
      }
    }
    for (const [branch, { rows: ofBranch, costs: list }] of costs.branches.entries()) {
      expect(ofBranch).toEqual(expected[branch]!.rows);
      for (const [i, cost] of list.entries()) expect(cost).toBeCloseTo(expected[branch]!.costs[i]!, 9);
      expect(ofBranch.length > 0).toBe(free.includes(branch));
    }
  });

  it('draws other budgets for every window and round, and lets no branch have the threshold of another', async () => {
    const { backend, seen } = watched();
    const costs = new SkipCosts({ ...request, backend });
    const logits = await denseLogits();
    for (let round = 0; round < 2; round++) await costs.measure(gates, logits, new Pacer('test'));
    const shares = seen.map(({ keptRows }) => keptRows.filter((kept) => kept === 0).length / (free.length * LENGTH));
    expect(new Set(shares).size).toBeGreaterThan(5);
    expect(Math.min(...shares)).toBeLessThan(0.25);
    expect(Math.max(...shares)).toBeGreaterThan(0.3);
    for (const { input } of seen) {
      expect(new Set(free.map((branch) => input.plan.values[branch])).size).toBe(free.length);
      expect([0, 3].map((branch) => input.plan.rules[branch])).toEqual(['keep', 'keep']);
    }
  });

  it('sees skips that hurt: predictions on the whole lose by them', async () => {
    const costs = new SkipCosts(request);
    await costs.measure(gates, await denseLogits(), new Pacer('test'));
    const all = costs.branches.flatMap((each) => each.costs);
    expect(all.reduce((sum, cost) => sum + cost, 0) / all.length).toBeGreaterThan(0.1);
  });
});
