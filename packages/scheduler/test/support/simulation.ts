import type { Calibration, CalibrationKnot, GateSpec, ModelShape, Plan } from '@gateskip/gate';
import { branchCount, denseRowMacs, netFromSkips, planMacs } from '@gateskip/gate';
import type { Observation, SequencePolicy } from '@gateskip/scheduler';

/** Sizes of SmolLM2-135M. */
export const shape: ModelShape = {
  layers: 30,
  hiddenSize: 576,
  heads: 9,
  kvHeads: 3,
  headSize: 64,
  intermediateSize: 1536,
  vocabularySize: 49152,
};
export const gates: GateSpec = { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false };
export const branches = branchCount(shape);
export const protectedBranches = [0, 1, 2, 3, 59];

/** How scores of a text move. All in units of the logit. */
export interface TextNoise {
  /** What all branches share at a token: easy or hard tokens. */
  readonly common: number;
  /** Autocorrelation of that from token to token. */
  readonly correlation: number;
  /** Random walk of the whole text, per token. */
  readonly drift: number;
  /** How far a text lies from the calibration's. */
  readonly offset: number;
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function normals(seed: number): () => number {
  const uniform = generator(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Scores of a text, [tokens][2L]: branches differ, tokens share a common part, both are autocorrelated, the text drifts. */
export function simulateScores(seed: number, tokens: number, noise: TextNoise): Float32Array[] {
  const model = normals(99);
  const branchMeans = Array.from({ length: branches }, () => 1.5 * model());
  const draw = normals(seed);
  const text = draw() * noise.offset;
  const means = branchMeans.map((mean) => mean + text + 0.3 * draw());
  const own = Array.from({ length: branches }, draw);
  let common = draw();
  let drift = 0;
  return Array.from({ length: tokens }, () => {
    common = noise.correlation * common + Math.sqrt(1 - noise.correlation ** 2) * draw();
    drift += noise.drift * draw();
    return Float32Array.from({ length: branches }, (_, branch) => {
      own[branch] = 0.5 * own[branch]! + Math.sqrt(0.75) * draw();
      return 1 / (1 + Math.exp(-(means[branch]! + noise.common * common + own[branch]! + drift)));
    });
  });
}

/** What a fit would record on a text: the curve, shares and quantiles per branch. */
export function calibrate(scores: readonly Float32Array[]): Calibration {
  const isFree = Uint8Array.from({ length: branches }, (_, branch) => Number(!protectedBranches.includes(branch)));
  const pooled = Float64Array.from(scores.flatMap((row) => [...row].filter((_, branch) => isFree[branch]))).sort();
  const byBranch = Array.from({ length: branches }, (_, branch) => Float64Array.from(scores, (row) => row[branch]!).sort());
  const curve: CalibrationKnot[] = [];
  const branchSkips: number[][] = [];
  for (let knot = 0; knot <= 40; knot++) {
    const threshold = knot === 0 ? 0 : pooled[Math.floor((knot / 42) * pooled.length)]!;
    const shares = byBranch.map((column, branch) =>
      isFree[branch] ? column.filter((score) => score <= threshold).length / column.length : 0,
    );
    const skip = shares.reduce((sum, share) => sum + share, 0) / branches;
    curve.push({ threshold, skip, net: netFromSkips(shape, gates, { skipShares: shares, scored: isFree, context: 512, kv: 'project' }) });
    branchSkips.push(shares);
  }
  const levels = Array.from({ length: 21 }, (_, i) => i / 20);
  const branchQuantiles = byBranch.map((column) => levels.map((level) => column[Math.round(level * (column.length - 1))]!));
  return { kv: 'project', tokens: scores.length, protectedBranches, pinnedTokens: 1, curve, branchSkips, levels, branchQuantiles };
}

/** What a backend would do with some rows of a text under a plan, scores given. */
export function runRows(plan: Plan, position: number, scores: readonly Float32Array[]): Observation & { readonly skipped: number } {
  const rows = scores.length;
  const kept = new Uint32Array(branches);
  const keptRows = new Uint8Array(branches * rows);
  const flat = new Float32Array(branches * rows);
  for (let branch = 0; branch < branches; branch++) {
    for (let row = 0; row < rows; row++) {
      const score = scores[row]![branch]!;
      flat[branch * rows + row] = score;
      const skips = plan.rules[branch] === 'threshold' && !plan.pinned?.[row] && score <= plan.values[branch]!;
      keptRows[branch * rows + row] = Number(!skips);
      kept[branch]! += Number(!skips);
    }
  }
  const { spent, dense } = planMacs({ shape, gates, plan, position, rows, keptRows });
  const skipped = branches * rows - kept.reduce((sum, count) => sum + count, 0);
  return { position, rows, kept, macs: spent, denseMacs: dense, scores: flat, skipped };
}

/** Decodes a whole text token by token after its prompt; what each decode step held, and of which weight. */
export function decode(
  sequence: SequencePolicy,
  promptTokens: number,
  scores: readonly Float32Array[],
): { readonly skip: number; readonly macs: number; readonly denseMacs: number }[] {
  if (promptTokens > 0) sequence.observe(runRows(sequence.plan(0, promptTokens), 0, scores.slice(0, promptTokens)));
  return scores.slice(promptTokens).map((row, step) => {
    const position = promptTokens + step;
    const observation = runRows(sequence.plan(position, 1), position, [row]);
    sequence.observe(observation);
    return { skip: observation.skipped / branches, macs: observation.macs, denseMacs: observation.denseMacs };
  });
}

export const denseMacsAt = (context: number): number => denseRowMacs(shape, context);
