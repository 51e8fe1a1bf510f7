import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { referenceBackend } from '@gateskip/backend-reference';
import { UnsupportedError } from '@gateskip/errors';
import { assertAdapterFits, readAdapter } from '@gateskip/model';
import { describe, expect, it } from 'vitest';
import { klAt, RecipeInvalidError, TrainingDivergedError, type TrainProgress, trainAdapter } from '../../src/index.js';
import { model, smallRecipe, smallRequest, testFolder } from './small-run.js';

const folder = testFolder();

describe('trainAdapter', () => {
  it('makes a better curve than the fit that it starts from, and an adapter that serves budgets', async () => {
    const recipe = smallRecipe('minutes', { tokens: 80 * 40 });
    const heard: TrainProgress[] = [];
    const { adapter, report } = await trainAdapter(smallRequest(recipe, { onProgress: (progress) => heard.push(progress) }));
    expect(report.steps).toBe(40);
    expect(report.start.step).toBe(0);
    const last = report.trained.points.at(-1)!;
    const before = klAt(report.start, last.netSaved)!;
    expect(last.netSaved).toBeGreaterThan(0.1);
    expect(last.kl).toBeLessThan(before);
    assertAdapterFits(adapter, model);
    const { curve, branchSkips, protectedBranches } = adapter.calibration;
    expect(curve.length).toBeGreaterThan(4);
    expect(curve.at(-1)!.net).toBeLessThan(0.8);
    for (const skips of branchSkips!) for (const branch of protectedBranches) expect(skips[branch]).toBe(0);
    expect(new Set(heard.map(({ phase }) => phase))).toEqual(
      new Set(['trace', 'gates', 'weights', 'costs', 'curve', 'load', 'look', 'train', 'calibrate']),
    );
    expect(heard.filter(({ phase }) => phase === 'train').at(-1)?.training?.tokens).toBe(report.tokens);
  });

  it('holds the net share that it is asked for', async () => {
    const { report } = await trainAdapter(smallRequest(smallRecipe('minutes', { protectedBranches: [0, 7] })));
    for (const { asked, netSaved } of report.trained.points.slice(1)) {
      // 160 held-out tokens are few, and skipping moves scores.
      expect(Math.abs(netSaved - asked)).toBeLessThan(0.05);
    }
  });

  it('adds less of the low-rank additions where less is skipped, and nothing where nothing is', async () => {
    const recipe = smallRecipe('lora', { protectedBranches: [0, 7] });
    const lora = { ...recipe.lora!, fullAt: 0.15 };
    const { adapter, report } = await trainAdapter(smallRequest({ ...recipe, lora }));
    const { curve } = adapter.calibration;
    expect(curve[0]).toMatchObject({ threshold: 0, loraStrength: 0 });
    // The gates alone are paid.
    expect(curve[0]!.net).toBeCloseTo(1 - report.start.points[0]!.netSaved, 2);
    expect(curve.at(-1)!.loraStrength).toBe(1);
    const strengths = curve.map(({ loraStrength }) => loraStrength!);
    expect(strengths).toEqual(strengths.toSorted((a, b) => a - b));
    expect(strengths.some((strength) => strength > 0 && strength < 1)).toBe(true);
    // What was learned changes nothing where nothing may skip: the trained weights are those of the model.
    expect(report.trained.points[0]!.kl).toBeCloseTo(report.start.points[0]!.kl, 12);
    const always = await trainAdapter(smallRequest({ ...recipe, lora: { rank: 2, alpha: 4, matrices: lora.matrices } }));
    expect(always.report.trained.points[0]!.kl).toBeGreaterThan(report.trained.points[0]!.kl + 1e-6);
    expect(always.adapter.calibration.curve[0]).not.toHaveProperty('loraStrength');
  });

  it.each(['paper', 'repair'] as const)('runs recipe %s', async (name) => {
    const skip = smallRecipe(name).skip;
    const recipe = smallRecipe(name, name === 'repair' ? { skip: { ...skip, drop: { branches: [4, 5] } } } : {});
    const { adapter, report } = await trainAdapter(smallRequest(recipe));
    expect(report.steps).toBe(20);
    expect(report.trained.points.every(({ kl }) => Number.isFinite(kl))).toBe(true);
    expect(adapter.calibration.curve.length).toBeGreaterThan(1);
    if (name !== 'repair') return;
    const dropped = report.trained.points[1]!;
    expect(dropped.skipShare).toBeCloseTo(2 / 8, 12);
    expect(dropped.kl).toBeLessThan(report.start.points[1]!.kl);
  });

  it('trains norm weights where a recipe says so', async () => {
    const { skip, optimizer } = smallRecipe('repair');
    const { adapter, report } = await trainAdapter(
      smallRequest(
        smallRecipe('repair', {
          trainable: ['standIns', 'lora', 'norms'],
          skip: { ...skip, drop: { branches: [4, 5] } },
          optimizer: { ...optimizer, rates: { ...optimizer.rates, norms: 0.001 } },
        }),
      ),
    );
    expect(adapter.backbone!.norms!.size).toBe(2 * model.config.layers + 1);
    const before = await model.read('outputNorm');
    expect([...adapter.backbone!.norms!.get('outputNorm')!]).not.toEqual([...new Float32Array(before.slice().buffer)]);
    expect(report.trained.points[1]!.kl).toBeLessThan(report.start.points[1]!.kl);
  });

  it.each(['scalar', 'mlp', 'low-rank', 'hybrid'] as const)('trains published gates of variant %s, shared too', async (variant) => {
    const gates = {
      start: 'random',
      variant,
      sharing: variant === 'scalar' ? 'shared' : 'separate',
      position: 'before',
      multiplies: true,
      ...(variant === 'low-rank' && { rank: 3 }),
      ...(variant === 'mlp' && { hidden: 6 }),
      bias: 5,
      deviation: 0.01,
    } as const;
    const { adapter } = await trainAdapter(smallRequest(smallRecipe('paper', { gates, tokens: 80 * 4 })));
    expect(adapter.gates.spec.variant).toBe(variant);
  });

  it('keeps config, log, curve and adapter in its folder', async () => {
    const path = join(folder, 'kept');
    const recipe = smallRecipe('minutes', { checkpointSeconds: 0 });
    const { report } = await trainAdapter(smallRequest(recipe, { folder: path }));
    expect(JSON.parse(await readFile(join(path, 'config.json'), 'utf8'))).toMatchObject({ recipe, model: model.fingerprint });
    const lines = (await readFile(join(path, 'log.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ kind }) => kind === 'step').map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(lines.filter(({ kind }) => kind === 'look').map(({ step }) => step)).toEqual(report.looks.map(({ step }) => step));
    expect(report.looks.map(({ step }) => step)).toEqual([0, 8, 16, 20]);
    expect(await readFile(join(path, 'curve.svg'), 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    assertAdapterFits(await readAdapter(join(path, 'adapter.safetensors')), model);
  });

  it('stops where the loss passes the bound, says where the last good state is, and keeps it', async () => {
    const path = join(folder, 'diverged');
    const recipe = smallRecipe('minutes');
    const wild = {
      ...recipe,
      optimizer: { ...recipe.optimizer, rates: { gates: 10, standIns: 10 } },
      lossAbove: 0.5,
      checkpointSeconds: 0,
    };
    const error = await trainAdapter(smallRequest(wild, { folder: path })).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TrainingDivergedError);
    const { step, checkpoint } = (error as TrainingDivergedError).fields as { step: number; checkpoint: string };
    expect(checkpoint).toContain(`checkpoint-${String(step - 1).padStart(9, '0')}.bin`);
    expect((await readFile(checkpoint)).length).toBeGreaterThan(0);
  });

  it('passes over micro-batches that are prompt alone', async () => {
    const recipe = smallRecipe('paper', { tokens: 80 * 6 });
    const { text } = smallRequest(recipe);
    const prompt = { tokens: text.train[0]!.tokens, rowWeights: new Float32Array(40) };
    const { report } = await trainAdapter(
      smallRequest({ ...recipe, batch: { rows: 40, accumulate: 1 } }, { text: { ...text, train: [prompt, ...text.train] } }),
    );
    // Thirteen sequences, twelve of which count.
    expect([report.steps, report.epochs]).toEqual([12, 1]);
  });

  it('stops where nothing becomes better for long', async () => {
    const recipe = smallRecipe('minutes');
    const still = {
      ...recipe,
      optimizer: { ...recipe.optimizer, rates: { gates: 0, standIns: 0 } },
      heldOut: { ...recipe.heldOut, everyTokens: 80, patience: 3, budgets: [] },
    };
    const { report } = await trainAdapter(smallRequest(still));
    expect([report.ended, report.steps]).toEqual(['patience', 3]);
  });

  it('ends by its deadline', async () => {
    const startedMs = performance.now();
    const skip = { ...smallRecipe('repair').skip, drop: { branches: [4] } };
    const recipe = smallRecipe('repair', { skip, tokens: 80 * 100_000 });
    const { report } = await trainAdapter(smallRequest(recipe, { deadlineMs: startedMs + 6000 }));
    expect(report.ended).toBe('time');
    expect(report.steps).toBeGreaterThan(1);
    // Steps, looks and the calibration are foreseen by what earlier ones took; as much again is left for a machine that is busy by turns.
    expect(performance.now() - startedMs).toBeLessThan(12_000);
  });

  it('refuses what it cannot do', async () => {
    const recipe = smallRecipe('minutes');
    const { loadTrainer: _, ...without } = referenceBackend;
    await expect(trainAdapter(smallRequest(recipe, { backend: without }))).rejects.toThrow(UnsupportedError);
    await expect(trainAdapter(smallRequest(smallRecipe('repair')))).rejects.toThrow(/profile/);
    await expect(trainAdapter(smallRequest(smallRecipe('minutes', { protectedBranches: [99] })))).rejects.toThrow(RecipeInvalidError);
    const { text } = smallRequest(recipe);
    await expect(trainAdapter(smallRequest(recipe, { text: { ...text, heldOut: [] } }))).rejects.toThrow(/held out/);
    const prompts = text.heldOut.map((sequence) => ({ ...sequence, rowWeights: new Float32Array(sequence.tokens.length) }));
    await expect(trainAdapter(smallRequest(smallRecipe('paper'), { text: { ...text, heldOut: prompts } }))).rejects.toThrow(/all prompt/);
  });
});
