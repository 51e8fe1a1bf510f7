import type { Trainer } from '@gateskip/backend';
import { AbortedError, InvalidArgumentError, UnsupportedError } from '@gateskip/errors';
import { branchCount, type GateSet, standInMacs } from '@gateskip/gate';
import { assertAdapterFits, type GateAdapter, type Model, readAdapter, writeAdapter } from '@gateskip/model';
import { emptyCalibration } from '../fit/empty-calibration.js';
import type { FitOptions } from '../fit/fit-options.js';
import { AdamW } from '../optimizer/adam-w.js';
import { checkOptimizerMemory } from '../optimizer/optimizer-memory.js';
import { calibrateTrained } from './calibrate-trained.js';
import { trainingCurveSvg } from './curve-svg.js';
import { draftCalibration } from './draft-calibration.js';
import { TrainingDivergedError } from './errors.js';
import { type HeldOutCurve, heldOutCurve } from './held-out-curve.js';
import { loraMacs, noLoraMacs } from './lora-macs.js';
import { RunClock } from './run-clock.js';
import { RunFolder } from './run-folder.js';
import { type RunState, restoreRun, runCheckpoint } from './run-state.js';
import { SkipPlanner, type SkipPlannerOptions } from './skip-planner.js';
import { takeBackbone } from './start-backbone.js';
import { droppedBranches, protectedBranches, startGates } from './start-gates.js';
import { countingBatches, TextStream } from './text-stream.js';
import { TimeShares } from './time-shares.js';
import type { TrainPhase, TrainProgress, TrainRequest, TrainResult } from './train-request.js';
import { trainedAdapter } from './trained-adapter.js';
import { trainedModelWriter, withTrainedModel } from './trained-model.js';
import { type TaughtBatch, teach } from './training-input.js';
import { groupRates, trainingLoop } from './training-loop.js';

const START = 'start.safetensors';
const ADAPTER = 'adapter.safetensors';

/**
 * Trains an adapter by a recipe: gates from the closed-form fit (or as the recipe says), updates on packed text against the
 * dense model's predictions, looks at the held-out curve, checkpoints, and a calibrated curve at the end.
 *
 * With a folder the run can be killed at any moment and resumed: it loses at most the time since the last checkpoint, and on
 * a deterministic backend it ends in the same bits as one that was never interrupted (runs with a deadline excepted: their
 * schedule follows the clock).
 *
 * Where a recipe trains the backbone the run makes a new model: written to `outModel` at the end, opened again, and the
 * adapter calibrated on it. Only then is there an adapter, also in the folder. The teacher is the dense model of the request throughout.
 *
 * @throws RecipeInvalidError, RunFolderError, CheckpointInvalidError, TrainingDivergedError, UnsupportedError,
 *   InvalidArgumentError, AbortedError (after a checkpoint), and what fit, trainer and teacher throw;
 *   for `outModel` what `prepareModelWriter` and `ModelWriter.write` throw, the former before the run starts
 */
export async function trainAdapter(request: TrainRequest): Promise<TrainResult> {
  const { model, recipe, text, signal } = request;
  const startedMs = performance.now();
  const { config } = model;
  if (!request.backend.loadTrainer)
    throw new UnsupportedError(`Backend ${request.backend.name} cannot train.`, 'Use cpu or reference.', { what: request.backend.name });
  if (text.train.length === 0 || text.heldOut.length === 0)
    throw new InvalidArgumentError('Training needs text to train on and text held out.', 'Give a longer text.', { what: 'text' });
  const writer = await trainedModelWriter(request);
  const isStatic = recipe.skip.rule === 'static';
  const dropped = droppedBranches(recipe, request);
  const kept = isStatic
    ? Array.from({ length: branchCount(config) }, (_, branch) => branch).filter((branch) => !dropped.includes(branch))
    : protectedBranches(recipe, config);
  const folder =
    request.folder === undefined ? undefined : await RunFolder.open(request.folder, identityOf(request), request.resume ?? false);
  let found = request.resume ? await folder?.newest() : undefined;
  const isResumed = found !== undefined;
  const shares = new TimeShares(request, startedMs);

  let fitted: FitOptions = {};
  const gates = await gatesToStartFrom();
  const startMs = performance.now() - startedMs;
  report('load', 0, 1);
  const trainer = await request.backend.loadTrainer(model, {
    gates,
    ...(recipe.lora && { lora: { ...recipe.lora, seed: recipe.seed } }),
    trainable: recipe.trainable,
    detachGateInput: recipe.detachGateInput,
    maxRows: recipe.batch.rows,
    ...(request.threads !== undefined && { threads: request.threads }),
    ...(request.extra && { extra: request.extra }),
    onProgress: (share) => report('load', share, 1),
    ...(signal && { signal }),
  });
  try {
    return await run(trainer);
  } finally {
    await trainer.close();
  }

  function report(phase: TrainPhase, done: number, total: number, training?: TrainProgress['training']): void {
    request.onProgress?.({ phase, done, total, ...(training && { training }) });
  }

  /** Kept in the folder: what is not trained of them is not in the checkpoints. */
  async function gatesToStartFrom(): Promise<GateSet> {
    if (isResumed && folder) {
      const adapter = await readAdapter(folder.file(START));
      assertAdapterFits(adapter, model);
      return adapter.gates;
    }
    fitted = request.start ? {} : await shares.fitOptions();
    const gates = await startGates(request, dropped, fitted, ({ phase, done, total }) => report(phase, done, total));
    if (folder) {
      const { name, provenance } = request;
      const calibration = emptyCalibration(config.layers, { ...recipe, protectedBranches: kept });
      const identity = { formatVersion: 1, modelFingerprint: model.fingerprint, modelName: config.name, layers: config.layers } as const;
      await writeAdapter(folder.file(START), { ...identity, name, gates, calibration, provenance });
    }
    return gates;
  }

  async function run(trainer: Trainer): Promise<TrainResult> {
    const plannerOptions: SkipPlannerOptions = {
      config,
      spec: gates.spec,
      standInMacs: standInMacs(gates),
      rule: recipe.skip.rule,
      kv: recipe.kv,
      pinnedTokens: recipe.pinnedTokens,
      protectedBranches: kept,
      loraFullAt: recipe.lora?.fullAt,
    };
    const planner = new SkipPlanner(plannerOptions);
    const { beta1, beta2, weightDecay } = recipe.optimizer;
    checkOptimizerMemory(trainer.parameters);
    const optimizer = new AdamW(trainer.parameters, { beta1, beta2, weightDecay, scales: groupRates(trainer, recipe) });
    const parts = { trainer, optimizer, planner };
    if (!isResumed && request.start) takeBackbone(trainer, recipe, request.start);
    const begin: RunState = {
      step: 0,
      tokens: 0,
      progress: 0,
      elapsedMs: 0,
      position: { epoch: 0, index: 0 },
      lookedAt: 0,
      lookMs: 0,
      looks: [],
      heldOutTokens: 0,
      rows: recipe.batch.rows,
      lookRows: isResumed ? recipe.batch.rows : shares.lookRows,
      corrections: [],
    };
    const state: RunState = found ? { ...begin, ...restoreRun(found.checkpoint, found.path, parts) } : begin;
    // Of a whole model it is large: not to be held while training goes on.
    found = undefined;

    await folder?.trimLog(state.step);

    const judged = await heldOutBatches(trainer, state);
    const budgets = isStatic ? [1] : recipe.heldOut.budgets;
    const look = async (teaches = false): Promise<HeldOutCurve> => {
      const lookStartedMs = performance.now();
      const corrections = new Map(state.corrections);
      const at = { step: state.step, tokens: state.tokens };
      const fresh = new SkipPlanner(plannerOptions);
      const additions = state.step > 0 || request.start?.backbone?.lora ? loraMacs(trainer) : noLoraMacs;
      const curve = await heldOutCurve({ trainer, planner: fresh, batches: judged, budgets, at, corrections, additions }, signal);
      state.corrections = [...corrections];
      // What is known of the scores before the first update.
      if (teaches) planner.restore(fresh.state());
      state.lookMs = performance.now() - lookStartedMs;
      await folder?.log({ kind: 'look', ...curve, ms: state.lookMs });
      await folder?.write('curve.svg', trainingCurveSvg([...state.looks, curve], `${config.name}, recipe ${recipe.name}`));
      return curve;
    };
    if (state.looks.length === 0) {
      report('look', 0, 1);
      state.looks.push(await look(true));
    }
    const calibrationText = shares.calibration(state.lookMs, judged, text.heldOut);
    const clock = new RunClock(recipe.tokens, shares.trainUntil(state.lookMs, judged, calibrationText));
    const trainStartedMs = performance.now();
    const tokensBefore = state.tokens;
    let savedAtMs = performance.now();

    const save = async (): Promise<void> => {
      if (!folder) return;
      await folder.writeCheckpoint(state.step, runCheckpoint(state, parts));
      // One of weights that are in no file yet would fit nothing.
      if (!writer)
        await writeAdapter(
          folder.file(ADAPTER),
          trainedAdapter(request, trainer, draftCalibration(config, recipe, kept, state.looks.at(-1)!)),
        );
      savedAtMs = performance.now();
    };

    let ended: 'tokens' | 'time' | 'patience';
    try {
      if (!isResumed) await save();
      ended = await trainingLoop({
        recipe,
        trainer,
        optimizer,
        planner,
        stream: new TextStream(text.train, { rows: state.rows, seed: recipe.seed }, state.position),
        teacher: request.teacher,
        clock,
        state,
        look: () => look(),
        lastCheckpoint: () => folder?.lastCheckpoint,
        onStep: async (step) => {
          await folder?.log({ kind: 'step', ...step });
          const tokensPerSecond = (1000 * (state.tokens - tokensBefore)) / (performance.now() - trainStartedMs);
          report('train', Math.round(1e4 * state.progress), 1e4, {
            step: state.step,
            tokens: state.tokens,
            loss: step.loss,
            tokensPerSecond,
            leftMs: clock.leftMs(recipe.tokens - state.tokens, step.tokens),
            curve: state.looks.at(-1)!,
          });
        },
        afterStep: async () => {
          if (performance.now() - savedAtMs >= 1000 * recipe.checkpointSeconds) await save();
        },
        ...(signal && { signal }),
      });
    } catch (error) {
      // What diverged must not be gone on from; everything else may.
      if (!(error instanceof TrainingDivergedError)) await save();
      throw error;
    }
    const trainMs = performance.now() - trainStartedMs;
    if (state.looks.at(-1)!.step < state.step) {
      report('look', 0, 1);
      state.looks.push(await look());
      state.lookedAt = state.tokens;
    }
    await save();

    const calibrateStartedMs = performance.now();
    const adapterFor = async (model: Model): Promise<GateAdapter> => {
      const target = { ...request, model };
      const untested = trainedAdapter(target, trainer, emptyCalibration(config.layers, { ...recipe, protectedBranches: kept }));
      const adapter = await calibrateTrained(target, untested, calibrationText, (done, total) => report('calibrate', done, total));
      if (signal?.aborted) throw new AbortedError('Training');
      if (folder) await writeAdapter(folder.file(ADAPTER), adapter);
      return adapter;
    };
    const writing = (done: number, total: number): void => report('write', done, total);
    const { used: adapter, written } = writer
      ? await withTrainedModel(writer, trainer, request, writing, adapterFor)
      : { used: await adapterFor(model), written: undefined };
    const endMs = performance.now();
    return {
      adapter,
      ...(written && { model: written }),
      report: {
        steps: state.step,
        tokens: state.tokens,
        epochs: state.position.epoch + 1,
        parameters: trainer.parameters.reduce((sum, { value }) => sum + value.length, 0),
        ...(fitted.tokens !== undefined && { fitTokens: fitted.tokens }),
        start: state.looks[0]!,
        trained: state.looks.at(-1)!,
        looks: state.looks,
        heldOutTokens: judged.reduce((sum, { batch }) => sum + batch.tokens.length, 0),
        ended,
        tokensPerSecond: (1000 * (state.tokens - tokensBefore)) / trainMs,
        timingsMs: { start: startMs, train: trainMs, calibrate: endMs - calibrateStartedMs, total: endMs - startedMs },
        trainer: { backend: trainer.backend, ...trainer.details },
      },
    };
  }

  /** Taught once; a run that goes on looks at the same ones. */
  async function heldOutBatches(trainer: Trainer, state: RunState): Promise<TaughtBatch[]> {
    const all = countingBatches(text.heldOut, { rows: state.lookRows, seed: recipe.seed, epoch: 0 });
    const wanted = state.heldOutTokens || recipe.heldOut.tokens;
    const judged: TaughtBatch[] = [];
    let tokens = 0;
    let limit = wanted;
    for (const batch of all) {
      if (judged.length > 0 && tokens + batch.tokens.length > limit) break;
      report('look', Math.min(tokens, limit), limit);
      const taught = await teach(batch, request.teacher, signal);
      judged.push(taught);
      tokens += batch.tokens.length;
      if (judged.length > 1 || state.heldOutTokens > 0) continue;
      const sizes = await shares.sizes(trainer, taught);
      limit = sizes.heldOutTokens;
      state.rows = sizes.rows;
    }
    state.heldOutTokens = tokens;
    return judged;
  }
}

/** What a run that goes on must have in common with its beginning: else it would not end in the same bits. */
function identityOf({ recipe, model, text, backend, extra = {} }: TrainRequest): Readonly<Record<string, unknown>> {
  return { recipe, model: model.fingerprint, text: text.fingerprint, backend: { name: backend.name, ...extra } };
}
