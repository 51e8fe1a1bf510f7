import { referenceBackend } from '@gateskip/backend-reference';
import { AbortedError, InsufficientMemoryError } from '@gateskip/errors';
import { branchCount, createGateSet, type GateParameters, type GateSpec, type GateVariant, gateMacs, randomScore } from '@gateskip/gate';
import { AdapterMismatchError, createRandomModel, type GateAdapter, layerMatrices, normNames } from '@gateskip/model';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CannotDistillError,
  checkDistill,
  type DistillRequest,
  type DistillResult,
  distillGates,
  type FitProgress,
  NothingToFitError,
  TooLittleTextError,
} from '../src/index.js';
import { countedBackend, fitRequest, randomSequences } from './fit-request.js';

const { options: _, ...base } = fitRequest();
const { model } = base;
const { config } = model;
const d = config.hiddenSize;
const branches = branchCount(config);
const options = { curveTokens: 300, qualityRows: 40, curveShares: [0.05, 0.15, 0.3, 0.5, 0.7, 0.9] };

const uniform = (seed: number, length: number, scale: number): Float32Array =>
  Float32Array.from({ length }, (_, index) => scale * 2 * (randomScore(seed, index, 0) - 0.5));

/** Vector gates whose rows are all nearly the same: the mean of their outputs is nearly the sigmoid of one row. */
function nearlyLinear(branch: number): GateParameters {
  const row = uniform(branch + 1, d, 0.5);
  const weight = uniform(100 + branch, d * d, 0.1).map((value, index) => value + row[index % d]!);
  return { weight, bias: new Float32Array(d).fill(1 + 0.1 * branch) };
}

interface Parts {
  readonly variant?: GateVariant;
  readonly change?: Partial<GateSpec>;
  readonly gates?: readonly GateParameters[];
  readonly more?: Partial<GateAdapter>;
}

function adapterOf({ variant = 'vector', change = {}, gates, more = {} }: Parts = {}): GateAdapter {
  const sizes = { ...(variant === 'low-rank' && { rank: 4 }), ...(variant === 'mlp' && { hidden: 6 }) };
  const spec: GateSpec = { variant, sharing: 'separate', position: 'before', multiplies: false, ...sizes, ...change };
  const drawn = createGateSet(spec, config, { seed: 3, biasStart: 1, weightStandardDeviation: 0.1 });
  return {
    formatVersion: 1,
    name: 'source',
    modelFingerprint: model.fingerprint,
    modelName: config.name,
    layers: config.layers,
    gates: { ...drawn, ...(gates && { gates }) },
    calibration: {
      kv: 'absent',
      tokens: 100,
      protectedBranches: [1, 7],
      pinnedTokens: 2,
      curve: [{ threshold: 0, skip: 0, net: 1.2 }],
      levels: [0, 1],
      branchQuantiles: Array.from({ length: branches }, () => [0, 1]),
    },
    provenance: base.provenance,
    ...more,
  };
}

const request = (adapter: GateAdapter, more: Partial<DistillRequest> = {}): DistillRequest => ({ ...base, options, adapter, ...more });

/** Low-rank additions to all matrices of all layers, and norm weights that differ from the model's. */
function backbone(withNorms: boolean): NonNullable<GateAdapter['backbone']> {
  const [q, kv, ff] = [config.heads * config.headSize, config.kvHeads * config.headSize, config.intermediateSize];
  const shapes: Readonly<Record<string, readonly [number, number]>> = {
    query: [q, d],
    key: [kv, d],
    value: [kv, d],
    attentionOutput: [d, q],
    mlpGate: [ff, d],
    mlpUp: [ff, d],
    mlpDown: [d, ff],
  };
  const factors = (layer: number) =>
    Object.fromEntries(
      layerMatrices.map((matrix, index) => {
        const [rows, columns] = shapes[matrix]!;
        return [matrix, { down: uniform(10 * layer + index, 2 * columns, 0.2), up: uniform(10 * layer + index + 5, rows * 2, 0.2) }];
      }),
    );
  return {
    lora: { rank: 2, alpha: 4, matrices: layerMatrices, layers: Array.from({ length: config.layers }, (_, layer) => factors(layer)) },
    ...(withNorms && { norms: new Map(normNames(config.layers).map((name, index) => [name, uniform(index, d, 0.2).map((w) => w + 1)])) }),
  };
}

describe('distillGates', () => {
  const gates = Array.from({ length: branches }, (_, branch) => nearlyLinear(branch));
  const source = adapterOf({ gates });
  const progress: FitProgress[] = [];
  let result: DistillResult;
  beforeAll(async () => {
    result = await distillGates(request(source, { onProgress: (step) => progress.push(step) }));
  });

  it('says of unseen rows what nearly linear vector gates say', () => {
    const { branches: qualities, heldOutRows } = result.report;
    expect(qualities).toHaveLength(branches);
    expect(heldOutRows).toBeGreaterThan(40);
    for (const { rankCorrelation, heldOutR2 } of qualities) {
      expect(rankCorrelation).toBeGreaterThan(0.95);
      expect(heldOutR2).toBeGreaterThan(0.95);
    }
    expect(qualities.filter((branch) => branch.protected).map(({ branch }) => branch)).toEqual([1, 7]);
    expect(result.report.from).toEqual({ name: 'source', spec: source.gates.spec });
    expect(result.report.gateMacs).toEqual({ before: d * d, after: d });
  });

  it('gives scalar gates that backends run, at the price of one row', async () => {
    const { adapter } = result;
    expect(adapter.gates.spec).toEqual({ variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false });
    expect(adapter.gates.standIns).toBeUndefined();
    const [before, after] = await Promise.all([source, adapter].map((each) => denseRun(each)));
    const free = branches - source.calibration.protectedBranches.length;
    expect(before!.macs - after!.macs).toBe(before!.rows * free * (gateMacs(source.gates.spec, d) - d));
    // The score itself, not only its rank: logits are what is regressed.
    const apart = before!.scores.map((score, index) => Math.abs(score - after!.scores[index]!));
    expect(apart.reduce((sum, each) => sum + each, 0) / apart.length).toBeLessThan(0.03);
  });

  it('measures the curve with what the adapter had: K and V, pinned, protected', () => {
    const { calibration } = result.adapter;
    expect(calibration).toMatchObject({ kv: 'absent', protectedBranches: [1, 7], pinnedTokens: 2 });
    expect(calibration.curve[0]).toMatchObject({ threshold: 0, skip: 0 });
    expect(calibration.curve.length).toBeGreaterThan(4);
    for (const [index, knot] of calibration.curve.entries()) {
      expect(knot.loraStrength).toBeUndefined();
      if (index > 0) expect(knot.net).toBeLessThan(calibration.curve[index - 1]!.net);
    }
    for (const skips of calibration.branchSkips ?? []) expect([skips[1], skips[7]]).toEqual([0, 0]);
    expect(result.report.knots[0]!.kl).toBeLessThan(32 * 2 ** -24);
  });

  it('is the same again, and reports progress that ends', async () => {
    const again = await distillGates(request(source));
    expect(again.adapter).toEqual(result.adapter);
    for (const phase of ['trace', 'gates', 'curve']) {
      const last = progress.filter((step) => step.phase === phase).at(-1);
      expect(last?.done).toBe(last?.total);
    }
  });

  it.each(['low-rank', 'mlp', 'hybrid', 'vector'] as const)('takes %s gates, shared ones too', async (variant) => {
    const shared = await distillGates(request(adapterOf({ variant, change: { sharing: 'shared' } })));
    expect(shared.adapter.gates.spec.sharing).toBe('separate');
    expect(new Set(shared.adapter.gates.gates).size).toBe(branches);
    // Small logits: the sigmoid is nearly linear there, and the mean of it too. The inner layer of an mlp bends more.
    for (const { rankCorrelation } of shared.report.branches) expect(rankCorrelation).toBeGreaterThan(variant === 'mlp' ? 0.6 : 0.9);
  });

  it('keeps all else bit for bit, and the shares of low-rank additions along the curve', async () => {
    const standIns = Array.from({ length: branches }, (_, branch) => uniform(branch + 50, d, 0.3));
    const standInMaps = standIns.map((_, branch) => ({ down: uniform(branch + 60, 2 * d, 0.1), up: uniform(branch + 70, 2 * d, 0.1) }));
    const plain = adapterOf({ gates, change: { multiplies: true } });
    const rich: GateAdapter = {
      ...plain,
      formatVersion: 3,
      gates: { ...plain.gates, standIns, standInMaps },
      backbone: backbone(true),
      calibration: {
        ...plain.calibration,
        curve: [
          { threshold: 0, skip: 0, net: 1, loraStrength: 0 },
          { threshold: 0.4, skip: 0.2, net: 0.9, loraStrength: 0.5 },
          { threshold: 0.8, skip: 0.4, net: 0.7, loraStrength: 1 },
        ],
      },
    };
    const before = structuredClone(rich);
    const { adapter, report } = await distillGates(request(rich));
    expect(rich).toEqual(before);
    expect(adapter.gates.spec.multiplies).toBe(true);
    expect(adapter.gates.standIns).toEqual(standIns);
    expect(adapter.gates.standInMaps).toEqual(standInMaps);
    expect(adapter.backbone).toEqual(before.backbone);
    expect(adapter.formatVersion).toBe(3);
    const strengths = adapter.calibration.curve.map(({ loraStrength }) => loraStrength!);
    expect(strengths[0]).toBe(0);
    expect(strengths.at(-1)).toBe(1);
    expect(strengths).toEqual([...strengths].sort((a, b) => a - b));
    // Inputs are those of the changed model, so the heads are as good there.
    for (const { rankCorrelation } of report.branches) expect(rankCorrelation).toBeGreaterThan(0.95);
    // Other norms and gates that multiply: another model where nothing is skipped.
    expect(report.knots[0]!.kl).toBeGreaterThan(2 ** -10);
  });

  it('reads inputs with what the adapter changes, and measures against the model without it', async () => {
    const loaded: (string | undefined)[] = [];
    const load: typeof referenceBackend.load = (of, how = {}) => {
      loaded.push(how.adapter?.name);
      return referenceBackend.load(of, how);
    };
    const curve = [{ threshold: 0, skip: 0, net: 1, loraStrength: 0 }];
    const plain = adapterOf({ gates });
    const off = await distillGates(
      request({ ...plain, backbone: backbone(false), calibration: { ...plain.calibration, curve }, formatVersion: 2 }),
    );
    expect(off.report.knots[0]!.kl).toBeLessThan(32 * 2 ** -24);
    const full = await distillGates(
      request({ ...plain, backbone: backbone(false), formatVersion: 2 }, { backend: { ...referenceBackend, load } }),
    );
    expect(loaded).toEqual(['source', 'test', undefined]);
    expect(full.report.knots[0]!.kl).toBeGreaterThan(2 ** -10);
  });

  it('refuses what has nothing to distil, before anything runs', async () => {
    const backend = { ...referenceBackend, load: () => Promise.reject(new Error('ran')) };
    const refusal = async (adapter: GateAdapter, more: Partial<DistillRequest> = {}): Promise<unknown> =>
      distillGates(request(adapter, { backend, ...more })).catch((caught: unknown) => caught);
    const after = await refusal(adapterOf({ change: { position: 'after' } }));
    expect(after).toBeInstanceOf(CannotDistillError);
    expect(after).toMatchObject({ code: 'GS_CANNOT_DISTILL', fields: { expected: 'before', got: 'after' } });
    for (const sharing of ['separate', 'shared'] as const) {
      const scalar = await refusal(adapterOf({ variant: 'scalar', change: { sharing } }));
      expect(scalar).toMatchObject({ code: 'GS_CANNOT_DISTILL', fields: { got: 'scalar' } });
    }
    const other = createRandomModel({ seed: 6, config });
    expect(await refusal(source, { model: other })).toBeInstanceOf(AdapterMismatchError);
    expect(await refusal(source, { options: { memoryBytes: 1e6 } })).toBeInstanceOf(InsufficientMemoryError);
    expect(await refusal(source, { sequences: randomSequences(2, 48, 128) })).toBeInstanceOf(TooLittleTextError);
    const all = { ...source.calibration, protectedBranches: [0, 1, 2, 3, 4, 5, 6, 7] };
    expect(await refusal({ ...source, calibration: all })).toBeInstanceOf(NothingToFitError);
    expect(() => checkDistill(source, other)).toThrow(AdapterMismatchError);
    checkDistill(source, model);
  });

  it('refuses gates that say the same of every token, and text that is pinned as a whole', async () => {
    const flat = { weight: new Float32Array(d * d), bias: new Float32Array(d).fill(1) };
    await expect(distillGates(request(adapterOf({ gates: new Array<GateParameters>(branches).fill(flat) })))).rejects.toThrow(
      NothingToFitError,
    );
    const pinned = { ...source.calibration, pinnedTokens: 1000 };
    await expect(distillGates(request({ ...source, calibration: pinned }))).rejects.toThrow(TooLittleTextError);
  });

  it('stops when aborted, in any phase, and leaves no runner open', async () => {
    for (const phase of ['trace', 'gates', 'curve']) {
      const controller = new AbortController();
      const { backend, open } = countedBackend();
      const onProgress = (step: FitProgress): void => {
        if (step.phase === phase) controller.abort();
      };
      const rich = { ...source, backbone: backbone(false), formatVersion: 2 as const };
      await expect(distillGates(request(rich, { backend, onProgress, signal: controller.signal }))).rejects.toThrow(AbortedError);
      expect(open()).toBe(0);
    }
  });
});

/** One sequence with nothing skipped and all scores asked for. */
async function denseRun(adapter: GateAdapter): Promise<{ macs: number; rows: number; scores: Float32Array }> {
  const { protectedBranches } = adapter.calibration;
  const tokens = randomSequences(1, 48, config.vocabularySize, 77)[0]!;
  const runner = await referenceBackend.load(model, { adapter });
  const rules = Array.from({ length: branches }, (_, branch) =>
    protectedBranches.includes(branch) ? ('keep' as const) : ('threshold' as const),
  );
  const result = await runner.step(
    {
      tokens,
      segments: [{ sequence: runner.openSequence(), start: 0, length: tokens.length, plan: 0 }],
      outputs: new Int32Array(0),
      want: { scores: true },
    },
    [{ scorer: 'gate', rules, values: new Float32Array(branches), kv: 'project' }],
  );
  await runner.close();
  return { macs: result.macs[0]!, rows: tokens.length, scores: result.scores! };
}
