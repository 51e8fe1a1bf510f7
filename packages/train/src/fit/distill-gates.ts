import { branchCount, type GateSet, type GateSpec, gateMacs } from '@gateskip/gate';
import { assertAdapterFits, type GateAdapter, type Model } from '@gateskip/model';
import { CannotDistillError, NothingToFitError } from '../errors.js';
import { Pacer } from '../progress.js';
import { calibrateAdapter } from './calibrate-adapter.js';
import { collectGateTraces, type GateTraces } from './collect-gate-traces.js';
import { checkTraceMemory } from './collect-traces.js';
import { draftAdapter, withRunner } from './draft-adapter.js';
import type { FitReport, FitRequest } from './fit-adapter.js';
import { type FitOptions, type ResolvedFitOptions, resolveFitOptions } from './fit-options.js';
import { fitScoreHeads, type ScoreHeadQuality } from './score-heads.js';
import { cutTraceWindows } from './trace-windows.js';

/** The others of a fit are what the adapter has already. */
export type DistillOptions = Pick<
  FitOptions,
  'tokens' | 'windowTokens' | 'heldOutShare' | 'curveTokens' | 'qualityRows' | 'curveShares' | 'memoryBytes'
>;

export interface DistillRequest extends Omit<FitRequest, 'options'> {
  /** Of this very model, with gates that read the branch's input and are not scalar. */
  readonly adapter: GateAdapter;
  readonly options?: DistillOptions;
}

export interface DistillReport extends Pick<FitReport, 'tokens' | 'densePerplexity' | 'knots' | 'options'> {
  readonly from: { readonly name: string; readonly spec: GateSpec };
  /** MACs of the score of one row in one branch. */
  readonly gateMacs: { readonly before: number; readonly after: number };
  /** Rows that heads are judged on; none of them was fitted to. */
  readonly heldOutRows: number;
  readonly branches: readonly ScoreHeadQuality[];
  readonly timingsMs: { readonly trace: number; readonly gates: number; readonly curve: number; readonly total: number };
}

export interface DistillResult {
  readonly adapter: GateAdapter;
  readonly report: DistillReport;
}

/** Of a branch's hidden states only its input is kept. */
const STATES = 1;

/**
 * Refuses what {@link distillGates} would refuse once it has the text. For callers that make the text first.
 *
 * @throws AdapterMismatchError, CannotDistillError, NothingToFitError, InvalidArgumentError, InsufficientMemoryError
 */
export function checkDistill(adapter: GateAdapter, model: Pick<Model, 'config' | 'fingerprint'>, options: DistillOptions = {}): void {
  assertAdapterFits(adapter, model);
  const { spec, hiddenSize } = adapter.gates;
  if (spec.position === 'after')
    throw new CannotDistillError(
      adapter.name,
      'they read what their branch gives, so a score is known when there is nothing left to skip',
      'Give an adapter whose gates read the input of their branch.',
      'before',
      spec.position,
    );
  if (spec.variant === 'scalar')
    throw new CannotDistillError(
      adapter.name,
      `they are scalar, a score costs ${gateMacs(spec, hiddenSize)} MACs already`,
      'Use it as it is.',
      ['vector', 'low-rank', 'mlp', 'hybrid'],
      spec.variant,
    );
  const { memoryBytes, tokens, protectedBranches } = optionsOf(adapter, model, options);
  if (new Set(protectedBranches).size === branchCount(adapter)) throw new NothingToFitError('all branches are protected');
  checkTraceMemory(model.config, tokens, memoryBytes, STATES);
}

/** What belongs to the adapter stays as it is, also where a fit would refuse it. */
function optionsOf({ calibration }: GateAdapter, { config }: Pick<Model, 'config'>, options: DistillOptions): ResolvedFitOptions {
  const { kv, protectedBranches, pinnedTokens } = calibration;
  const { tokens, windowTokens, heldOutShare, curveTokens, qualityRows, curveShares, memoryBytes } = options;
  const own = { tokens, windowTokens, heldOutShare, curveTokens, qualityRows, curveShares, memoryBytes };
  const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) as DistillOptions;
  return { ...resolveFitOptions({ ...given, kv, protectedBranches }, config), pinnedTokens };
}

/**
 * Replaces the gates of an adapter by scalar ones, a row of d numbers a branch, whose logit is a ridge regression of the logit of the old
 * gate's score on the branch's input, over text that runs with nothing skipped. All else of the adapter stays: stand-ins and their maps,
 * low-rank additions and norm weights, K and V, what is pinned and protected, and whether gates multiply, now each branch as a whole. Then
 * the curve is measured as for any other adapter.
 *
 * @throws AdapterMismatchError, CannotDistillError, TooLittleTextError, InsufficientMemoryError, NonFiniteTraceError, NothingToFitError,
 *   InvalidArgumentError, AbortedError, and what the backend's `load` and `step` throw
 */
export async function distillGates(request: DistillRequest): Promise<DistillResult> {
  const { adapter, model, sequences, signal } = request;
  checkDistill(adapter, model, request.options);
  const startedMs = performance.now();
  const options = optionsOf(adapter, model, request.options ?? {});
  const { protectedBranches, pinnedTokens } = options;
  const pacer = new Pacer('Distilling the gates', signal, request.onProgress);
  pacer.check();
  const windows = cutTraceWindows(sequences, model.config, options, STATES);
  const { curve } = adapter.calibration;
  const strength = curve[0]?.loraStrength;
  const addition = strength === undefined ? {} : { loraStrength: strength };

  const { heads, heldOutRows, tracedMs, fittedMs } = await fitHeads();
  const spec: GateSpec = { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: adapter.gates.spec.multiplies };
  const gates: GateSet = { ...adapter.gates, spec, gates: heads.gates };
  const draft: GateAdapter = {
    ...draftAdapter(request, gates, options),
    formatVersion: adapter.formatVersion,
    ...(adapter.backbone && { backbone: adapter.backbone }),
  };
  const calibrated = await calibrateAdapter(request, draft, options, windows, curve, pacer);
  const endedMs = performance.now();
  return {
    adapter: calibrated.adapter,
    report: {
      ...calibrated.report,
      from: { name: adapter.name, spec: adapter.gates.spec },
      gateMacs: { before: gateMacs(adapter.gates.spec, gates.hiddenSize), after: gateMacs(spec, gates.hiddenSize) },
      heldOutRows,
      branches: heads.qualities,
      timingsMs: {
        trace: tracedMs - startedMs,
        gates: fittedMs - tracedMs,
        curve: endedMs - fittedMs,
        total: endedMs - startedMs,
      },
    },
  };

  /** Leaves no traces behind: they are most of the memory. */
  async function fitHeads() {
    const traces = await withRunner(request, adapter, (runner) =>
      collectGateTraces(runner, windows.fit, windows.heldOut, pinnedTokens, addition, pacer, signal),
    );
    assertVaried(traces, protectedBranches);
    const tracedMs = performance.now();
    const heads = await fitScoreHeads(traces, protectedBranches, pacer);
    return { heads, heldOutRows: traces.rows - traces.fitRows, tracedMs, fittedMs: performance.now() };
  }
}

/** Gates that say the same of every token rank nothing. @throws NothingToFitError */
function assertVaried({ scores, fitRows }: GateTraces, protectedBranches: readonly number[]): void {
  const isVaried = scores.some(
    (own, branch) => !protectedBranches.includes(branch) && own.subarray(0, fitRows).some((score) => score !== own[0]),
  );
  if (!isVaried) throw new NothingToFitError('every gate of the adapter gives all tokens of the text the same score');
}
