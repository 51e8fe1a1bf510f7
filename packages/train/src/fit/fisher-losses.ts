import type { Trainer } from '@gateskip/backend';
import { branchCount, type GateSet, type KvMode, type Plan } from '@gateskip/gate';
import { runnerTeacher } from '../data/runner-teacher.js';
import type { Teacher } from '../data/training-text.js';
import type { Pacer } from '../progress.js';
import { drawLabels } from './draw-labels.js';
import { assertTells, type SlopesRequest } from './slopes.js';
import type { BranchStandIn } from './stand-ins.js';

/** Likeliest tokens that labels are drawn from. */
const LABEL_TOKENS = 256;
/** Of one branch, the largest losses beyond this share are cut down to it: single rows would decide a least squares fit. */
const CAPPED_SHARE = 0.999;

/**
 * What a skip of each row and branch would cost the model's predictions, to second order, nats: with e what the skip takes from the
 * stream (output minus stand-in) and F the Fisher information of the dense model's predictions, KL(dense || skipped) is about
 * ½ eᵀFe, and F is the mean of g gᵀ over labels that the model itself would draw, g the slope of -ln p(label) along the stream (the
 * effect on the row's own and on all later predictions). One label is drawn a row, so a row's number is ½ (g·e)²: right in the mean
 * over rows alike, which is what a regression asks for. The same estimate prunes weights and channels (LeCun et al., 1990; Theis et
 * al., arXiv 1801.05787; Molchanov et al., arXiv 1906.10771).
 *
 * @param windows texts, run from their start
 * @param standIns of every branch: [2L]
 * @returns [2L][rows], the first `pinnedTokens` rows of every window left out
 * @throws UnsupportedError where the backend cannot train, and what teacher and trainer throw
 */
export async function fisherLosses(
  request: SlopesRequest,
  windows: readonly Int32Array[],
  standIns: readonly BranchStandIn[],
  { kv, pinnedTokens }: { readonly kv: KvMode; readonly pinnedTokens: number },
  pacer: Pacer,
): Promise<Float64Array[]> {
  const { model, backend, threads, signal } = request;
  assertTells(backend);
  const branches = branchCount(model.config);
  const longest = windows.reduce((most, { length }) => Math.max(most, length), 1);
  const labels = await labelsOf(request, windows, pacer);
  const trainer = await backend.loadTrainer(model, {
    gates: openGates(standIns, model.config.hiddenSize),
    trainable: ['gates'],
    detachGateInput: true,
    maxRows: longest,
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
  });
  try {
    const rows = windows.reduce((sum, { length }) => sum + Math.max(0, length - pinnedTokens), 0);
    const losses = Array.from({ length: branches }, () => new Float64Array(rows));
    let from = 0;
    for (const [index, tokens] of windows.entries()) {
      pacer.report('gradients', windows.length + index, 2 * windows.length);
      const gains = await gainsOf(trainer, tokens, labels[index]!, keepAll(branches, tokens.length, kv), signal);
      for (const [branch, list] of losses.entries())
        for (let row = pinnedTokens; row < tokens.length; row++)
          list[from + row - pinnedTokens] = gains[branch * tokens.length + row]! ** 2 / 2;
      from += Math.max(0, tokens.length - pinnedTokens);
      await pacer.breathe();
    }
    pacer.report('gradients', 2 * windows.length, 2 * windows.length);
    return losses.map(capped);
  } finally {
    await trainer.close();
  }
}

/** A label for every row of every window. */
async function labelsOf(
  { model, backend, threads, signal }: SlopesRequest,
  windows: readonly Int32Array[],
  pacer: Pacer,
): Promise<Int32Array[]> {
  const teacher: Teacher = runnerTeacher({ model, backend, count: LABEL_TOKENS, ...(threads !== undefined && { threads }) });
  try {
    const labels: Int32Array[] = [];
    for (const [index, tokens] of windows.entries()) {
      pacer.report('gradients', index, 2 * windows.length);
      const rows = await teacher.rows({ tokens, rowWeights: new Float32Array(tokens.length).fill(1) }, signal);
      labels.push(drawLabels(rows, index));
    }
    return labels;
  } finally {
    await teacher.close();
  }
}

async function gainsOf(
  trainer: Trainer,
  tokens: Int32Array,
  targets: Int32Array,
  plan: Plan,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const { gains } = await trainer.step(
    {
      tokens,
      segmentLengths: Int32Array.of(tokens.length),
      plan,
      straightThrough: {},
      // A sum: what one row does must not hang on how many others there are.
      loss: { crossEntropy: { targets, weight: 1, divisor: 1 } },
      want: { gains: true },
    },
    signal,
  );
  return gains!;
}

/** Every branch ranked by its gates, and none of its rows below the threshold. */
function keepAll(branches: number, rows: number, kv: KvMode): Plan {
  return {
    scorer: 'gate',
    rules: Array.from({ length: branches }, () => 'threshold' as const),
    values: new Float32Array(branches),
    kv,
    pinned: new Uint8Array(rows),
  };
}

/** Gates that score every row ½, with the stand-ins given. */
function openGates(standIns: readonly BranchStandIn[], hiddenSize: number): GateSet {
  const maps = standIns.flatMap(({ map }) => (map ? [map] : []));
  return {
    spec: { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false },
    hiddenSize,
    gates: standIns.map(() => ({ weight: new Float32Array(hiddenSize), bias: new Float32Array(1) })),
    standIns: standIns.map(({ vector }) => vector),
    ...(maps.length > 0 && { standInMaps: maps }),
  };
}

function capped(losses: Float64Array): Float64Array {
  const most = losses.slice().sort()[Math.min(losses.length - 1, Math.ceil(CAPPED_SHARE * losses.length))];
  return most === undefined ? losses : losses.map((loss) => Math.min(loss, most));
}
