import type { Calibration, CalibrationKnot, GateSpec, ModelShape, Plan } from '@gateskip/gate';
import { branchCount, denseRowMacs, netFromSkips, planMacs, randomScore, rankFraction, rankQuantile } from '@gateskip/gate';
import type { BranchProfile, Observation, SequencePolicy } from '@gateskip/scheduler';

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

/** A made-up profile: middle layers matter least, attention less than MLPs, and no two the same. */
export const profile: BranchProfile = {
  blockInfluence: Array.from({ length: shape.layers }, (_, layer) => 0.05 + 0.001 * (layer - 16.3) ** 2),
  removalKl: Array.from({ length: branches }, (_, branch) => (branch % 2 === 0 ? 0.04 : 0.15) + 0.0004 * (branch - 31.7) ** 2),
};

/** Scores of some tokens as an oracle is given them: [2L, tokens]. */
export function transposed(scores: readonly Float32Array[]): Float32Array {
  return Float32Array.from({ length: branches * scores.length }, (_, at) => scores[at % scores.length]![Math.floor(at / scores.length)]!);
}

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

/** What a backend would do with some rows of a text under a plan whose gates give the scores; K/V rows as `project` keeps them. */
export function runRows(
  plan: Plan,
  position: number,
  scores: readonly Float32Array[],
  kvRowsBefore?: readonly number[],
): Observation & { readonly skipped: number; readonly keptRows: Uint8Array; readonly kvRowsAfter: readonly number[] } {
  const rows = scores.length;
  const kept = new Uint32Array(branches);
  const keptRows = new Uint8Array(branches * rows);
  const flat = new Float32Array(branches * rows);
  for (let branch = 0; branch < branches; branch++) {
    const own = Float32Array.from({ length: rows }, (_, row) => {
      if (plan.scorer === 'given') return plan.scores![branch * rows + row]!;
      return plan.scorer === 'random' ? randomScore(plan.seed ?? 0, position + row, branch) : scores[row]![branch]!;
    });
    const skipped = skippedRows(plan, branch, own);
    flat.set(own, branch * rows);
    for (let row = 0; row < rows; row++) {
      keptRows[branch * rows + row] = 1 - skipped[row]!;
      kept[branch]! += 1 - skipped[row]!;
    }
  }
  const { spent, dense, kvRowsAfter } = planMacs({
    shape,
    gates,
    plan,
    position,
    rows,
    keptRows,
    ...(kvRowsBefore && { kvRowsBefore }),
  });
  const skipped = branches * rows - kept.reduce((sum, count) => sum + count, 0);
  return { position, rows, kept, macs: spent, denseMacs: dense, scores: flat, skipped, keptRows, kvRowsAfter };
}

/** 1 = skips: [rows] */
function skippedRows(plan: Plan, branch: number, scores: Float32Array): Uint8Array {
  const value = plan.values[branch]!;
  const pinned = plan.pinned ?? new Uint8Array(scores.length);
  switch (plan.rules[branch]) {
    case 'threshold':
      return pinned.map((pin, row) => Number(pin === 0 && scores[row]! <= value));
    case 'fraction':
      return rankFraction(scores, pinned, value);
    case 'quantile':
      return rankQuantile(scores, pinned, value);
    case 'repeat':
      return pinned.map((pin) => Number(pin === 0 && value === 0));
    default:
      return new Uint8Array(scores.length);
  }
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
