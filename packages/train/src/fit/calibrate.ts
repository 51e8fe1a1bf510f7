import type { Runner, SequenceId } from '@gateskip/backend';
import { branchCount, type CalibrationKnot, densePlan, type KvMode, type Plan, type Rule } from '@gateskip/gate';
import type { Pacer } from '../progress.js';
import { addDivergence, type DenseRows, type Divergence, denseRows, emptyDivergence } from './divergence.js';

/** One point of the curve with what it costs in quality, against the dense model on held-out text. */
export interface MeasuredKnot extends CalibrationKnot {
  /** Mean KL(dense || this) per row, nats. */
  readonly kl: number;
  /** Share of rows whose likeliest token is the dense model's. */
  readonly top1: number;
  readonly perplexity: number;
}

export interface Curve {
  /** From threshold 0 on; skip never falls. */
  readonly knots: readonly MeasuredKnot[];
  /** [knots][2L] */
  readonly branchSkips: readonly (readonly number[])[];
  readonly tokens: number;
  readonly qualityRows: number;
  readonly densePerplexity: number;
}

export interface CurveInput {
  /** Not judged, only for shares. */
  readonly windows: readonly Int32Array[];
  /** For shares and qualities. */
  readonly heldOut: readonly Int32Array[];
  /** Ascending, in (0, 1). */
  readonly thresholds: readonly number[];
  readonly protectedBranches: readonly number[];
  readonly pinnedTokens: number;
  readonly kv: KvMode;
  readonly qualityRows: number;
  /** Share of the low-rank additions at threshold 0 and at each of `thresholds`; absent: in full. */
  readonly loraStrengths?: readonly number[];
  /** The model without the adapter, where that changes it: what qualities are measured against. Absent: the runner with gates off. */
  readonly reference?: Runner;
}

/** Rows of one step; with logits also bounded by their memory. */
export const MAX_ROWS = 512;
const LOGIT_BYTES = 64 * 1048576;

interface Tally {
  rows: number;
  macs: number;
  denseMacs: number;
  readonly kept: Float64Array;
  readonly quality: Divergence;
}

/** Runs the text once per threshold while really skipping. */
export async function measureCurve(runner: Runner, input: CurveInput, pacer: Pacer, signal?: AbortSignal): Promise<Curve> {
  const branches = branchCount(runner.config);
  const thresholds = [0, ...input.thresholds];
  const tallies = thresholds.map(
    (): Tally => ({ rows: 0, macs: 0, denseMacs: 0, kept: new Float64Array(branches), quality: emptyDivergence() }),
  );
  const dense = emptyDivergence();
  const denseRunner = input.reference ?? runner;
  const heldOutTokens = input.heldOut.reduce((sum, window) => sum + window.length, 0);
  const stride = Math.max(1, Math.ceil(heldOutTokens / input.qualityRows));
  const total = (input.windows.length + input.heldOut.length) * (thresholds.length + 1);
  let done = 0;
  for (const window of input.heldOut) await runWindow(window, true);
  for (const window of input.windows) await runWindow(window, false);
  pacer.report('curve', total, total);
  return toCurve(thresholds, input.loraStrengths, tallies, dense);

  async function runWindow(window: Int32Array, judge: boolean): Promise<void> {
    const perRow = judge ? (4 * runner.config.vocabularySize) / stride : 0;
    const chunk = Math.max(1, Math.min(MAX_ROWS, perRow > 0 ? Math.floor(LOGIT_BYTES / perRow) : MAX_ROWS));
    const sequences = thresholds.map(() => runner.openSequence());
    const reference = denseRunner.openSequence();
    try {
      for (let start = 0; start < window.length; start += chunk) {
        const tokens = window.slice(start, start + chunk);
        const rows = judge ? judgedRows(start, tokens.length, stride) : new Int32Array(0);
        const next = rows.map((row) => window[start + row + 1] ?? -1);
        let denseLogits: DenseRows | undefined;
        if (judge) {
          const result = await step(denseRunner, reference, tokens, rows, densePlan(branches));
          if (rows.length > 0) {
            denseLogits = denseRows(result.logits as Float32Array, runner.config.vocabularySize);
            addDivergence(dense, denseLogits, result.logits as Float32Array, next);
          }
        }
        for (let knot = 0; knot < thresholds.length; knot++) {
          pacer.report('curve', Math.min(done + knot, total), total);
          const tally = tallies[knot] as Tally;
          const strength = input.loraStrengths?.[knot];
          // A score may underflow to 0 and would skip at threshold 0; the first point is what gates cost where nothing skips.
          const pinned = knot === 0 ? { pinnedTokens: Number.POSITIVE_INFINITY } : {};
          const threshold = thresholdPlan(branches, thresholds[knot] as number, { ...input, ...pinned }, start, tokens.length);
          const plan = strength === undefined ? threshold : { ...threshold, loraStrength: strength };
          const result = await step(runner, sequences[knot] as SequenceId, tokens, rows, plan);
          tally.rows += tokens.length;
          tally.macs += result.macs[0] as number;
          tally.denseMacs += result.denseMacs[0] as number;
          for (let branch = 0; branch < branches; branch++) {
            tally.kept[branch] = (tally.kept[branch] as number) + (result.kept[branch] as number);
          }
          if (denseLogits) addDivergence(tally.quality, denseLogits, result.logits as Float32Array, next);
          await pacer.breathe();
        }
      }
    } finally {
      for (const sequence of sequences) runner.closeSequence(sequence);
      denseRunner.closeSequence(reference);
    }
    done += thresholds.length + 1;
  }

  function step(on: Runner, sequence: SequenceId, tokens: Int32Array, outputs: Int32Array, plan: Plan) {
    return on.step({ tokens, segments: [{ sequence, start: 0, length: tokens.length, plan: 0 }], outputs }, [plan], signal);
  }
}

/** Rows at every `stride`-th position of the window. */
function judgedRows(start: number, length: number, stride: number): Int32Array {
  const rows: number[] = [];
  for (let row = (stride - (start % stride)) % stride; row < length; row += stride) rows.push(row);
  return Int32Array.from(rows);
}

/** One threshold for all branches but the protected, first tokens pinned: what the curve is measured with. */
export function thresholdPlan(
  branches: number,
  threshold: number,
  options: { protectedBranches: readonly number[]; pinnedTokens: number; kv: KvMode },
  position: number,
  rows: number,
): Plan {
  const rules = new Array<Rule>(branches).fill('threshold');
  for (const branch of options.protectedBranches) rules[branch] = 'keep';
  return {
    scorer: 'gate',
    rules,
    values: new Float32Array(branches).fill(threshold),
    kv: options.kv,
    pinned: Uint8Array.from({ length: rows }, (_, row) => (position + row < options.pinnedTokens ? 1 : 0)),
  };
}

function toCurve(
  thresholds: readonly number[],
  loraStrengths: readonly number[] | undefined,
  tallies: readonly Tally[],
  dense: Divergence,
): Curve {
  const knots: MeasuredKnot[] = [];
  const branchSkips: number[][] = [];
  tallies.forEach((tally, index) => {
    const skips = Array.from(tally.kept, (kept) => 1 - kept / tally.rows);
    const skip = skips.reduce((sum, share) => sum + share, 0) / skips.length;
    // More tolerant thresholds skip more but for noise: inputs differ once lower branches skip. A point that does not is
    // left out, so that a budget has one threshold.
    const last = knots.at(-1);
    if (last && skip <= last.skip) return;
    const { quality } = tally;
    knots.push({
      threshold: thresholds[index] as number,
      skip,
      net: tally.macs / tally.denseMacs,
      ...(loraStrengths && { loraStrength: loraStrengths[index] as number }),
      kl: quality.kl / quality.rows,
      top1: quality.agreed / quality.rows,
      perplexity: Math.exp(quality.surprise / quality.followed),
    });
    branchSkips.push(skips);
  });
  return {
    knots,
    branchSkips,
    tokens: tallies[0]?.rows ?? 0,
    qualityRows: dense.rows,
    densePerplexity: Math.exp(dense.surprise / dense.followed),
  };
}
