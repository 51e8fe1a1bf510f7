import type { Backend, LoadOptions } from '@gateskip/backend';
import { attentionCoreMacs, branchCount, branchKind, rowCosts } from '@gateskip/gate';
import type { AdapterProvenance, GateAdapter, Model, ModelConfig } from '@gateskip/model';
import { NothingToFitError } from '../errors.js';
import { type FitProgress, Pacer } from '../progress.js';
import { predict } from './branch-scores.js';
import { type MeasuredKnot, measureCurve } from './calibrate.js';
import { checkTraceMemory, collectTraces } from './collect-traces.js';
import { draftAdapter, withRunner } from './draft-adapter.js';
import { fisherImportance } from './fisher-importance.js';
import { mappedStandInsAt } from './fit-gates.js';
import { type FitOptions, highestShare, type ResolvedFitOptions, resolveFitOptions } from './fit-options.js';
import { measuredImportance } from './measured-importance.js';
import { normImportance } from './norm-importance.js';
import { thresholdsAt } from './quantiles.js';
import { sigmoidScores, toGateSet } from './score-scale.js';
import { assertTells } from './slopes.js';
import { Stopwatch } from './stopwatch.js';
import { cutTraceWindows } from './trace-windows.js';
import { count, spread } from './windows.js';
import { withCurve } from './with-curve.js';

export interface FitRequest {
  readonly model: Model;
  /**
   * Must give hidden states (`want.hidden`), rules `threshold` and `fraction`, and a trainer for importance `fisher`. Loaded several
   * times, closed again.
   */
  readonly backend: Backend;
  readonly load?: Omit<LoadOptions, 'adapter' | 'signal' | 'onProgress'>;
  /** Calibration text as tokens, each sequence as the model would see it from its first token. */
  readonly sequences: readonly Int32Array[];
  /** Name of the adapter. */
  readonly name: string;
  readonly provenance: AdapterProvenance;
  readonly options?: FitOptions;
  readonly onProgress?: (progress: FitProgress) => void;
  readonly signal?: AbortSignal;
}

export interface FitReport {
  readonly tokens: { readonly fit: number; readonly heldOut: number; readonly curve: number; readonly qualityRows: number };
  readonly densePerplexity: number;
  /** What each threshold skips, saves and costs, on held-out text. */
  readonly knots: readonly MeasuredKnot[];
  readonly branches: readonly {
    readonly branch: number;
    readonly layer: number;
    readonly kind: 'attention' | 'mlp';
    readonly protected: boolean;
    /** Share of the variance of the loss (to its power) explained on held-out rows; one drawn label a row makes `fisher` a noisy one. */
    readonly heldOutR2: number;
    /** Loss (`fisher`: nats; `norm`: relative to the stream) where the lowest scored `weightShare` of the rows skip, mean over all rows. */
    readonly meanLoss: number;
    /** KL to dense of that; null where not measured. */
    readonly damage: number | null;
    /** What a unit of loss counts, geometric mean 1; with `fisher` 1. */
    readonly weight: number;
  }[];
  readonly timingsMs: {
    readonly trace: number;
    readonly gates: number;
    readonly weights: number;
    readonly curve: number;
    readonly total: number;
  };
  readonly options: ResolvedFitOptions;
}

export interface FitResult {
  readonly adapter: GateAdapter;
  readonly report: FitReport;
}

/**
 * Refuses what {@link fitAdapter} would refuse once it has the text: options out of range, nothing to fit, too little
 * memory for `options.tokens`. For callers that make the text first.
 *
 * @throws InvalidArgumentError, NothingToFitError, InsufficientMemoryError
 */
export function checkFit(config: ModelConfig, options: FitOptions = {}): void {
  const resolved = resolveFitOptions(options, config);
  freeBranches(config, resolved);
  checkTraceMemory(config, resolved.tokens, resolved.memoryBytes);
}

/** Branches that may skip. @throws NothingToFitError */
function freeBranches(config: ModelConfig, { protectedBranches }: ResolvedFitOptions): number[] {
  const free = Array.from({ length: branchCount(config) }, (_, branch) => branch).filter((branch) => !protectedBranches.includes(branch));
  if (free.length === 0) throw new NothingToFitError('all branches are protected');
  return free;
}

/**
 * Fits scalar gates, stand-ins and the calibrated curve to a model without training anything: a dense pass, a least squares row per
 * branch for what a skip would cost ({@link FitOptions.importance}: one backward pass of the text, or what skipping changes and each
 * branch's weight measured by leaving it out), stand-ins regressed on the input of the rows that would skip, and a curve measured
 * while really skipping. The same input gives the same adapter on a deterministic backend.
 *
 * @throws TooLittleTextError, InsufficientMemoryError, NonFiniteTraceError, NothingToFitError, InvalidArgumentError,
 *   UnsupportedError, AbortedError, and what the backend's `load`, `loadTrainer` and `step` throw
 */
export async function fitAdapter(request: FitRequest): Promise<FitResult> {
  const { model, sequences, signal } = request;
  const { config } = model;
  const options = resolveFitOptions(request.options ?? {}, config);
  // Before minutes of work.
  if (options.importance !== 'norm') assertTells(request.backend);
  const pacer = new Pacer('Fitting the adapter', signal, request.onProgress);
  pacer.check();
  const free = freeBranches(config, options);
  const windows = cutTraceWindows(sequences, config, options);
  const clock = new Stopwatch();

  const traces = await withRunner(request, undefined, (runner) =>
    collectTraces(runner, windows.fit, windows.heldOut, options.pinnedTokens, pacer, signal),
  );
  const traceMs = clock.lap();

  const measure = { fisher: fisherImportance, measured: measuredImportance, norm: normImportance }[options.importance];
  const input = { request, options, windows, traces, free, perMac: inverseCosts(config, options) };
  const { scaled, fitted, damage, weights, timingsMs } = await measure(input, pacer);
  clock.lap();
  const standIns = await mappedStandInsAt(traces, scaled, free, options.standInShare, options.standInRank, pacer);
  const gates = toGateSet(scaled, predict(traces, scaled), free, standIns, highestShare(options));
  const scores = sigmoidScores(gates, traces.inputs, traces.rows);
  const gatesMs = timingsMs.gates + clock.lap();

  const draft = draftAdapter(request, gates, options);
  const curve = await withRunner(request, draft, (runner) =>
    measureCurve(
      runner,
      {
        windows: spread(windows.fit, Math.max(1, options.curveTokens - count(windows.heldOut))),
        heldOut: windows.heldOut,
        thresholds: thresholdsAt(scores, free, options.curveShares),
        protectedBranches: options.protectedBranches,
        pinnedTokens: options.pinnedTokens,
        kv: options.kv,
        qualityRows: options.qualityRows,
      },
      pacer,
      signal,
    ),
  );
  const curveMs = clock.lap();

  const adapter = withCurve(draft, curve, scores);
  const report: FitReport = {
    tokens: { fit: count(windows.fit), heldOut: count(windows.heldOut), curve: curve.tokens, qualityRows: curve.qualityRows },
    densePerplexity: curve.densePerplexity,
    knots: curve.knots,
    branches: fitted.rows.map((_, branch) => ({
      branch,
      layer: branch >> 1,
      kind: branchKind(branch),
      protected: options.protectedBranches.includes(branch),
      heldOutR2: fitted.heldOutR2[branch] as number,
      meanLoss: fitted.meanLoss[branch] as number,
      damage: damage.get(branch) ?? null,
      weight: weights[branch] as number,
    })),
    timingsMs: { trace: traceMs, gates: gatesMs, weights: timingsMs.weights, curve: curveMs, total: clock.total() },
    options,
  };
  return { adapter, report };
}

/** One over what a skip saves in MACs, per branch; attention at the mean context of a window. */
function inverseCosts(config: ModelConfig, options: ResolvedFitOptions): number[] {
  const costs = rowCosts(config);
  const attention =
    costs.attentionProjections + attentionCoreMacs(config, options.windowTokens / 2) - (options.kv === 'project' ? costs.kvProjections : 0);
  // Relative to the MLP, so that no precision is lost to the size of a model.
  return Array.from({ length: branchCount(config) }, (_, branch) => (branchKind(branch) === 'attention' ? costs.mlp / attention : 1));
}
