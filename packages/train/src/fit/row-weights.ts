import type { Runner } from '@gateskip/backend';
import { branchCount, densePlan, type KvMode, type Plan, type Rule } from '@gateskip/gate';
import type { Pacer } from '../progress.js';
import { denseRows, rowDivergence } from './divergence.js';

export interface RowDamageOptions {
  readonly free: readonly number[];
  readonly pinnedTokens: number;
  readonly kv: KvMode;
  /** Share of each free branch's rows that skip at random. */
  readonly skipShare: number;
  readonly seed: number;
}

const LOGIT_BYTES = 64 * 1048576;

/**
 * KL(dense || this) at every row that the traces hold, while a random share of the rows skips every free branch: where
 * the model's prediction is easily upset, whatever is skipped.
 *
 * @returns one number per traced row, windows in order, pinned rows left out
 */
export async function measureRowDamage(
  runner: Runner,
  windows: readonly Int32Array[],
  options: RowDamageOptions,
  pacer: Pacer,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const branches = branchCount(runner.config);
  const { vocabularySize } = runner.config;
  const { pinnedTokens } = options;
  const chunk = Math.max(1, Math.min(256, Math.floor(LOGIT_BYTES / (4 * vocabularySize))));
  const damage: number[] = [];
  const total = windows.reduce((sum, window) => sum + window.length, 0);
  let done = 0;
  for (const window of windows) {
    const dense = runner.openSequence();
    const skipping = runner.openSequence();
    try {
      for (let start = 0; start < window.length; start += chunk) {
        pacer.report('weights', done, total);
        const tokens = window.slice(start, start + chunk);
        const length = tokens.length;
        const outputs = Int32Array.from({ length }, (_, row) => row).filter((row) => start + row >= pinnedTokens);
        const reference = await runner.step(
          { tokens, segments: [{ sequence: dense, start: 0, length, plan: 0 }], outputs },
          [densePlan(branches)],
          signal,
        );
        const result = await runner.step(
          { tokens, segments: [{ sequence: skipping, start: 0, length, plan: 0 }], outputs },
          [randomPlan(branches, options, start, length)],
          signal,
        );
        if (outputs.length > 0) {
          const compared = denseRows(reference.logits as Float32Array, vocabularySize);
          for (let row = 0; row < outputs.length; row++) {
            damage.push(rowDivergence(compared, row, result.logits as Float32Array).kl);
            await pacer.breathe();
          }
        }
        done += length;
      }
    } finally {
      runner.closeSequence(dense);
      runner.closeSequence(skipping);
    }
  }
  pacer.report('weights', total, total);
  return Float64Array.from(damage);
}

function randomPlan(branches: number, options: RowDamageOptions, position: number, rows: number): Plan {
  const rules = new Array<Rule>(branches).fill('keep');
  for (const branch of options.free) rules[branch] = 'threshold';
  return {
    scorer: 'random',
    rules,
    values: new Float32Array(branches).fill(options.skipShare),
    kv: options.kv,
    seed: options.seed,
    pinned: Uint8Array.from({ length: rows }, (_, row) => (position + row < options.pinnedTokens ? 1 : 0)),
  };
}

/** Row weights outside these quantiles are taken for noise. */
const TRIM = 0.05;

/**
 * What a unit of loss counts at each row, mean 1: the damage measured there over the loss expected there.
 *
 * @param losses relative loss per free branch, weighted by branch: sums over branches are taken per row
 */
export function rowWeights(damage: Float64Array, expected: Float64Array): Float64Array {
  const ratios = damage.map((kl, row) => kl / Math.max(expected[row] as number, Number.MIN_VALUE * 2 ** 60));
  const sorted = ratios.slice().sort();
  const low = sorted[Math.floor(TRIM * (sorted.length - 1))] as number;
  const high = sorted[Math.ceil((1 - TRIM) * (sorted.length - 1))] as number;
  const trimmed = ratios.map((ratio) => Math.min(high, Math.max(low, ratio)));
  const mean = trimmed.reduce((sum, ratio) => sum + ratio, 0) / trimmed.length;
  return mean > 0 ? trimmed.map((ratio) => ratio / mean) : trimmed.fill(1);
}
