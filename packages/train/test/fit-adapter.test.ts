import { referenceBackend } from '@gateskip/backend-reference';
import { AbortedError, InsufficientMemoryError, InvalidArgumentError, UnsupportedError } from '@gateskip/errors';
import type { GateSet } from '@gateskip/gate';
import { beforeAll, describe, expect, it } from 'vitest';
import { measureCurve } from '../src/fit/calibrate.js';
import { collectTraces } from '../src/fit/collect-traces.js';
import { sigmoidScores } from '../src/fit/score-scale.js';
import { type BranchStandIn, relativeLoss } from '../src/fit/stand-ins.js';
import { cutWindows } from '../src/fit/windows.js';
import {
  checkFit,
  type FitProgress,
  type FitResult,
  fitAdapter,
  NonFiniteTraceError,
  NothingToFitError,
  TooLittleTextError,
} from '../src/index.js';
import { Pacer } from '../src/progress.js';
import { countedBackend, fitRequest, randomSequences } from './fit-request.js';

const standInOf = ({ standIns, standInMaps }: GateSet, branch: number): BranchStandIn => {
  const map = standInMaps?.[branch];
  return { vector: standIns?.[branch] as Float32Array, ...(map && { map }) };
};

describe('fitAdapter', () => {
  const request = fitRequest();
  const progress: FitProgress[] = [];
  let result: FitResult;
  beforeAll(async () => {
    result = await fitAdapter({ ...request, onProgress: (step) => progress.push(step) });
  });

  it('makes scalar gates and stand-ins for every branch', () => {
    const { adapter } = result;
    expect(adapter.gates.spec).toEqual({ variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false });
    expect(adapter.gates.gates).toHaveLength(8);
    expect(adapter.gates.standIns).toHaveLength(8);
    for (const { weight, bias } of adapter.gates.gates) {
      expect(weight).toHaveLength(32);
      expect(bias).toHaveLength(1);
      expect([...weight, ...bias].every(Number.isFinite)).toBe(true);
    }
    expect(adapter.modelFingerprint).toBe(request.model.fingerprint);
    expect(adapter.calibration.protectedBranches).toEqual([0, 1, 2, 3, 7]);
  });

  it('gives rows that lose more a higher score, on text it has not seen', async () => {
    const sequences = randomSequences(60, 48, request.model.config.vocabularySize);
    const plain = await fitAdapter(fitRequest({ importance: 'norm', weightTokens: 0, curveShares: [0.3] }, { sequences }));
    const runner = await referenceBackend.load(request.model);
    const unseen = randomSequences(4, 48, request.model.config.vocabularySize, 99);
    const traces = await collectTraces(runner, unseen, [], 4, new Pacer('test'));
    await runner.close();
    const scores = sigmoidScores(plain.adapter.gates, traces.inputs, traces.rows);
    const correlations = [4, 5, 6].map((branch) =>
      rankCorrelation(scores[branch] as Float64Array, relativeLoss(traces, branch, standInOf(plain.adapter.gates, branch))),
    );
    // Of 176 rows without any relation the mean of three correlations stays below 4 / sqrt(3 x 175) but once in 30,000.
    const mean = correlations.reduce((sum, value) => sum + value, 0) / correlations.length;
    expect(mean).toBeGreaterThan(4 / Math.sqrt(3 * 175));
  });

  it('measures a curve that starts dense and rises', () => {
    const { curve, branchSkips, branchQuantiles, levels } = result.adapter.calibration;
    expect(curve[0]).toMatchObject({ threshold: 0, skip: 0 });
    for (let knot = 1; knot < curve.length; knot++) {
      expect(curve[knot]?.threshold).toBeGreaterThan(curve[knot - 1]?.threshold as number);
      expect(curve[knot]?.skip).toBeGreaterThan(curve[knot - 1]?.skip as number);
      expect(curve[knot]?.net).toBeLessThan(curve[knot - 1]?.net as number);
      expect(curve[knot]?.threshold).toBeGreaterThan(0.001);
      expect(curve[knot]?.threshold).toBeLessThan(0.999);
    }
    expect(branchSkips).toHaveLength(curve.length);
    for (const skips of branchSkips ?? []) for (const branch of [0, 1, 2, 3, 7]) expect(skips[branch]).toBe(0);
    expect(branchQuantiles).toHaveLength(8);
    for (const quantiles of branchQuantiles) {
      expect(quantiles).toHaveLength(levels.length);
      expect(quantiles).toEqual([...quantiles].sort((a, b) => a - b));
    }
    expect(result.report.knots.at(-1)?.kl).toBeGreaterThan(result.report.knots[1]?.kl as number);
    // Threshold 0 skips nothing: the dense model itself, but for log-probabilities of at most 32 kept in float32.
    expect(result.report.knots[0]?.top1).toBe(1);
    expect(result.report.knots[0]?.kl).toBeLessThan(32 * 2 ** -24);
  });

  it('holds its curve when the adapter is run again on the same text', async () => {
    const { adapter, report } = result;
    const windows = cutWindows(request.sequences, {
      length: report.options.windowTokens,
      wanted: report.options.tokens,
      needed: 1,
      heldOutShare: report.options.heldOutShare,
      vocabularySize: request.model.config.vocabularySize,
    });
    expect(windows.heldOut.length + windows.fit.length).toBe(12);
    const runner = await referenceBackend.load(request.model, { adapter });
    const { curve, protectedBranches, pinnedTokens, kv, tokens } = adapter.calibration;
    const text = { windows: windows.fit, heldOut: windows.heldOut, thresholds: curve.slice(1).map((knot) => knot.threshold) };
    const again = await measureCurve(runner, { ...text, protectedBranches, pinnedTokens, kv, qualityRows: 8 }, new Pacer('test'));
    await runner.close();
    // Other windows too, so shares differ by sampling: a share of n rows has a standard error of at most 0.5 / sqrt(n).
    for (const [index, knot] of again.knots.entries()) {
      expect(Math.abs(knot.skip - (curve[index]?.skip as number))).toBeLessThan(4 * (0.5 / Math.sqrt(tokens)));
    }
  });

  it('begins its curve with nothing skipped, also where a score underflows to 0', async () => {
    const { gates } = result.adapter.gates;
    const sunk = gates.map((gate, branch) => (branch === 4 ? { ...gate, bias: Float32Array.of(-1000) } : gate));
    const adapter = { ...result.adapter, gates: { ...result.adapter.gates, gates: sunk } };
    const runner = await referenceBackend.load(request.model, { adapter });
    const { protectedBranches, pinnedTokens, kv } = adapter.calibration;
    const input = {
      windows: request.sequences.slice(0, 1),
      heldOut: [],
      thresholds: [0.2],
      protectedBranches,
      pinnedTokens,
      kv,
      qualityRows: 1,
    };
    const { knots, branchSkips } = await measureCurve(runner, input, new Pacer('test'));
    await runner.close();
    expect(knots[0]).toMatchObject({ threshold: 0, skip: 0 });
    expect(knots[0]?.net).toBeGreaterThan(1);
    expect(branchSkips[1]?.[4]).toBeGreaterThan(0.5);
  });

  it('is the same again for the same input', async () => {
    const again = await fitAdapter(request);
    expect(again.adapter).toEqual(result.adapter);
    expect(again.report.knots).toEqual(result.report.knots);
  });

  it('reports progress that never goes back within a phase and ends', async () => {
    await fitAdapter(fitRequest({ importance: 'fisher' }, { onProgress: (step) => step.phase === 'gradients' && progress.push(step) }));
    await fitAdapter(fitRequest({ importance: 'measured' }, { onProgress: (step) => step.phase === 'costs' && progress.push(step) }));
    for (const phase of ['trace', 'weights', 'gradients', 'costs', 'gates', 'stand-ins', 'curve']) {
      const steps = progress.filter((step) => step.phase === phase);
      expect(steps.length).toBeGreaterThan(1);
      expect(steps.at(-1)?.done).toBe(steps.at(-1)?.total);
      for (const step of steps) expect(step.done).toBeLessThanOrEqual(step.total);
    }
  });

  it('stops when aborted, in any phase, and leaves no runner and no trainer open', async () => {
    const phases = [
      ...['trace', 'gradients', 'gates', 'stand-ins', 'curve'].map((phase) => ({ phase, importance: 'fisher' as const })),
      ...['gates', 'weights'].map((phase) => ({ phase, importance: 'norm' as const })),
      { phase: 'costs', importance: 'measured' as const },
    ];
    for (const { phase, importance } of phases) {
      const controller = new AbortController();
      const { backend, open } = countedBackend();
      const onProgress = (step: FitProgress): void => {
        if (step.phase === phase) controller.abort();
      };
      await expect(fitAdapter(fitRequest({ importance }, { backend, onProgress, signal: controller.signal }))).rejects.toThrow(
        AbortedError,
      );
      expect(open()).toBe(0);
    }
  });

  it('says how much text it needs', async () => {
    const short = fitRequest({}, { sequences: randomSequences(2, 48, 128) });
    const error = await fitAdapter(short).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TooLittleTextError);
    expect((error as TooLittleTextError).fields).toMatchObject({ expected: 256, got: 96 });
  });

  it('refuses what it cannot do, before running anything', async () => {
    await expect(fitAdapter(fitRequest({ memoryBytes: 1e6 }))).rejects.toThrow(InsufficientMemoryError);
    await expect(fitAdapter(fitRequest({ protectedBranches: [0, 1, 2, 3, 4, 5, 6, 7] }))).rejects.toThrow(NothingToFitError);
    await expect(fitAdapter(fitRequest({ standInShare: 2 }))).rejects.toThrow(InvalidArgumentError);
    await expect(fitAdapter(fitRequest({ curveShares: [0.5, 0.4] }))).rejects.toThrow(InvalidArgumentError);
    await expect(fitAdapter(fitRequest({ importance: 'magnitude' as 'norm' }))).rejects.toThrow(/Pass fisher, measured or norm/);
    await expect(fitAdapter(fitRequest({}, { sequences: [Int32Array.of(...new Array(300).fill(128))] }))).rejects.toThrow(
      /outside the vocabulary/,
    );
  });

  it('can be asked before the text is made', () => {
    const { config } = fitRequest().model;
    checkFit(config);
    expect(() => checkFit(config, { tokens: 1e6, memoryBytes: 1e8 })).toThrow(InsufficientMemoryError);
    expect(() => checkFit(config, { protectedBranches: [0, 1, 2, 3, 4, 5, 6, 7] })).toThrow(NothingToFitError);
    expect(() => checkFit(config, { tokens: 1 })).toThrow(InvalidArgumentError);
  });

  it('notices a model that is not finite', async () => {
    const backend = {
      ...referenceBackend,
      load: async (...parameters: Parameters<typeof referenceBackend.load>) => {
        const runner = await referenceBackend.load(...parameters);
        const step = runner.step.bind(runner);
        runner.step = async (...input) => {
          const result = await step(...input);
          if (result.hidden) result.hidden.outputs[5 * 48 * 32 + 9 * 32] = Number.POSITIVE_INFINITY;
          return result;
        };
        return runner;
      },
    };
    const error = await fitAdapter(fitRequest({}, { backend })).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NonFiniteTraceError);
    expect((error as NonFiniteTraceError).fields).toMatchObject({ branch: 5, got: 9 });
  });

  it('weighs branches by norm, and asks for slopes where it is told to, of a backend that has them', async () => {
    expect(result.report.options.importance).toBe('norm');
    expect(result.report.branches[4]?.damage).toBeGreaterThan(0);
    const { report } = await fitAdapter(fitRequest({ importance: 'fisher' }));
    expect(report.options.importance).toBe('fisher');
    expect(report.branches.every(({ weight, damage }) => weight === 1 && damage === null)).toBe(true);
    const { loadTrainer, ...backend } = referenceBackend;
    for (const importance of ['fisher', 'measured'] as const)
      await expect(fitAdapter(fitRequest({ importance }, { backend }))).rejects.toThrow(UnsupportedError);
  });

  it('measures what skips cost again in every round', async () => {
    const [once, twice] = [
      await fitAdapter(fitRequest({ importance: 'fisher' })),
      await fitAdapter(fitRequest({ importance: 'fisher', rounds: 2 })),
    ];
    expect(twice.report.options.rounds).toBe(2);
    expect(twice.adapter.gates.gates).not.toEqual(once.adapter.gates.gates);
    expect((await fitAdapter(fitRequest({ importance: 'fisher' }))).adapter).toEqual(once.adapter);
  });

  it('corrects gates by what skips are seen to cost, the same again', async () => {
    const [first, again] = [
      await fitAdapter(fitRequest({ importance: 'measured' })),
      await fitAdapter(fitRequest({ importance: 'measured' })),
    ];
    expect(first.report.branches[4]?.damage).toBe(result.report.branches[4]?.damage);
    expect(first.adapter.gates.gates).not.toEqual(result.adapter.gates.gates);
    expect(again.adapter).toEqual(first.adapter);
  });

  it('fits without weights where they are switched off', async () => {
    const { report } = await fitAdapter(fitRequest({ importance: 'norm', weightTokens: 0, rounds: 1 }));
    expect(report.branches.every((branch) => branch.weight === 1 && branch.damage === null)).toBe(true);
  });
});

/** Spearman's. */
function rankCorrelation(a: Float64Array, b: Float64Array): number {
  const ranks = (values: Float64Array): number[] => {
    const order = Array.from(values.keys()).sort((x, y) => (values[x] as number) - (values[y] as number));
    const rank: number[] = [];
    order.forEach((index, place) => {
      rank[index] = place;
    });
    return rank;
  };
  const [x, y] = [ranks(a), ranks(b)];
  const n = a.length;
  const squared = x.reduce((sum, rank, index) => sum + (rank - (y[index] as number)) ** 2, 0);
  return 1 - (6 * squared) / (n * (n * n - 1));
}
