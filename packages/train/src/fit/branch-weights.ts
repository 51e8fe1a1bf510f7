import type { Runner } from '@gateskip/backend';
import { branchCount, densePlan, type Plan } from '@gateskip/gate';
import type { Pacer } from '../progress.js';
import { addDivergence, type DenseRows, denseRows, emptyDivergence } from './divergence.js';

/** Every so many rows the logits are compared; the head is a quarter of a small model's work. */
const ROW_STRIDE = 4;
/** Logits held at once. */
const LOGIT_BYTES = 64 * 1048576;

/**
 * What the model loses where the lowest scored `share` of the tokens (pinned ones apart) skips one branch and its stand-in
 * takes its place: KL(dense || this), mean over rows, per named branch.
 */
export async function measureBranchDamage(
  runner: Runner,
  windows: readonly Int32Array[],
  branches: readonly number[],
  share: number,
  pinnedTokens: number,
  pacer: Pacer,
  signal?: AbortSignal,
): Promise<Map<number, number>> {
  const sums = new Map(branches.map((branch) => [branch, emptyDivergence()]));
  const all = branchCount(runner.config);
  const { vocabularySize } = runner.config;
  let done = 0;
  const total = windows.length * branches.length;
  for (const tokens of windows) {
    const rows = outputRows(tokens.length, pinnedTokens);
    const perStep = Math.max(1, Math.min(Math.floor(512 / tokens.length), Math.floor(LOGIT_BYTES / (4 * vocabularySize * rows.length))));
    const dense = denseRows(await run([densePlan(all)], tokens, rows), vocabularySize);
    for (let first = 0; first < branches.length; first += perStep) {
      pacer.report('weights', done, total);
      const group = branches.slice(first, first + perStep);
      const plans = group.map((branch) => skipOne(branch, share, all, tokens.length * group.length, tokens.length, pinnedTokens));
      const logits = await run(plans, tokens, rows);
      group.forEach((branch, index) =>
        compare(branch, dense, logits.subarray(index * rows.length * vocabularySize, (index + 1) * rows.length * vocabularySize)),
      );
      done += group.length;
      await pacer.breathe();
    }
  }
  pacer.report('weights', total, total);
  return new Map(Array.from(sums, ([branch, sum]) => [branch, sum.kl / sum.rows]));

  function compare(branch: number, dense: DenseRows, logits: Float32Array): void {
    addDivergence(sums.get(branch) ?? emptyDivergence(), dense, logits, new Int32Array(dense.rows).fill(-1));
  }

  /** The same text once per plan, side by side in one step. */
  async function run(plans: readonly Plan[], tokens: Int32Array, rows: readonly number[]): Promise<Float32Array> {
    const length = tokens.length;
    const input = new Int32Array(length * plans.length);
    const sequences = plans.map((_, plan) => {
      input.set(tokens, plan * length);
      return runner.openSequence();
    });
    try {
      const result = await runner.step(
        {
          tokens: input,
          segments: sequences.map((sequence, plan) => ({ sequence, start: plan * length, length, plan })),
          outputs: Int32Array.from(plans.flatMap((_, plan) => rows.map((row) => row + plan * length))),
        },
        plans,
        signal,
      );
      return result.logits as Float32Array;
    } finally {
      for (const sequence of sequences) runner.closeSequence(sequence);
    }
  }
}

function outputRows(length: number, pinnedTokens: number): number[] {
  const rows: number[] = [];
  for (let row = Math.min(pinnedTokens, length - 1); row < length; row += ROW_STRIDE) rows.push(row);
  return rows;
}

function skipOne(branch: number, share: number, branches: number, rows: number, length: number, pinnedTokens: number): Plan {
  const plan = densePlan(branches);
  const rules = [...plan.rules];
  rules[branch] = 'fraction';
  plan.values[branch] = share;
  const pinned = Uint8Array.from({ length: rows }, (_, row) => (row % length < pinnedTokens ? 1 : 0));
  return { ...plan, scorer: 'gate', rules, pinned };
}

/** Weights this far from the geometric mean are taken for noise. */
const WEIGHT_LIMIT = 8;

/**
 * How much a unit of relative loss costs in each branch, geometric mean 1: damage over mean loss.
 *
 * @param losses mean relative loss per branch where that share of the rows skips: [2L]
 */
export function branchWeights(damage: ReadonlyMap<number, number>, losses: readonly number[]): number[] {
  const weights = losses.map((loss, branch) => {
    const measured = damage.get(branch);
    return measured === undefined || !(loss > 0) || !(measured > 0) ? Number.NaN : measured / loss;
  });
  const known = weights.filter((weight) => Number.isFinite(weight));
  const center = Math.exp(known.reduce((sum, weight) => sum + Math.log(weight), 0) / Math.max(1, known.length));
  return weights.map((weight) => (Number.isFinite(weight) ? Math.min(WEIGHT_LIMIT, Math.max(1 / WEIGHT_LIMIT, weight / center)) : 1));
}
