import type { Pacer } from '../progress.js';
import { type BranchRow, pooledQuantile, predict, predictBranch } from './branch-scores.js';
import type { Traces } from './collect-traces.js';
import type { ResolvedFitOptions } from './fit-options.js';
import { fitLinear } from './linear-fit.js';
import { fitStandInMap } from './stand-in-maps.js';
import { type BranchStandIn, meanStandIn } from './stand-ins.js';

export interface FittedBranches {
  /** Predicts the loss of a skip to the power; not weighted, not divided by cost. */
  readonly rows: readonly BranchRow[];
  readonly heldOutR2: readonly number[];
  /** Loss, mean over all rows, where the lowest scored `weightShare` of them skip. */
  readonly meanLoss: readonly number[];
}

/**
 * The least squares row of each branch for what a skip loses, to the power given.
 *
 * @param lossesOf loss of every traced row of a branch: [rows]
 * @param ridgeRows see {@link fitLinear}
 */
export async function fitBranchRows(
  traces: Traces,
  lossesOf: (branch: number) => Float64Array,
  { maxIterations, lossPower: power, weightShare }: Pick<ResolvedFitOptions, 'maxIterations' | 'lossPower' | 'weightShare'>,
  pacer: Pacer,
  step: { readonly done: number; readonly total: number },
  ridgeRows = 0,
): Promise<FittedBranches> {
  const rows: BranchRow[] = [];
  const heldOutR2: number[] = [];
  const meanLoss: number[] = [];
  for (let branch = 0; branch < traces.inputs.length; branch++) {
    pacer.report('gates', step.done + branch, step.total);
    const losses = lossesOf(branch);
    const targets = losses.map((loss) => loss ** power);
    const fit = await fitLinear(
      traces.inputs[branch] as Float32Array,
      targets,
      traces.fitRows,
      traces.size,
      maxIterations,
      pacer,
      ridgeRows,
    );
    const correction = power === 1 ? 1 : meanCorrection(traces, branch, fit, losses, power);
    rows.push({ weight: fit.weight.map((value) => value * correction), bias: fit.bias * correction });
    heldOutR2.push(fit.heldOutR2);
    meanLoss.push(lossOfLowest(predictBranch(traces, branch, fit), losses, weightShare));
    await pacer.breathe();
  }
  return { rows, heldOutR2, meanLoss };
}

/** The share of a branch's rows, least important first, whose mean loss must come out right: those that budgets skip. */
const CORRECTED_SHARE = 0.5;

/**
 * A row fitted to a root of the loss says too little of its mean (Jensen), and the more so the worse it predicts. The
 * factor that makes up for it, so that branches stay comparable.
 */
function meanCorrection(traces: Traces, branch: number, row: BranchRow, losses: Float64Array, power: number): number {
  const predicted = (predict({ ...traces, inputs: [traces.inputs[branch] as Float32Array] }, [row])[0] as Float64Array).subarray(
    0,
    traces.fitRows,
  );
  const threshold = predicted.slice().sort()[Math.floor(CORRECTED_SHARE * (traces.fitRows - 1))] as number;
  let expected = 0;
  let found = 0;
  predicted.forEach((value, index) => {
    if (value > threshold) return;
    expected += Math.max(0, value) ** (1 / power);
    found += losses[index] as number;
  });
  if (!(expected > 0) || !(found > 0)) return 1;
  return Math.min(2, Math.max(0.5, (found / expected) ** power));
}

function lossOfLowest(predicted: Float64Array, losses: Float64Array, share: number): number {
  const threshold = predicted.slice().sort()[Math.ceil(share * predicted.length) - 1] as number;
  return losses.reduce((sum, loss, row) => ((predicted[row] as number) <= threshold ? sum + loss : sum), 0) / losses.length;
}

/** Predicted relative loss times weight over cost: importance per MAC, comparable across branches. */
export function scaleRows(rows: readonly BranchRow[], factors: readonly number[]): BranchRow[] {
  return rows.map(({ weight, bias }, branch) => {
    const factor = factors[branch] as number;
    return { weight: weight.map((value) => value * factor), bias: bias * factor };
  });
}

/** The stand-ins for the rows that would skip with these gates where `share` of the free branches' rows skip. */
export function standInsAt(traces: Traces, scaled: readonly BranchRow[], free: readonly number[], share: number): BranchStandIn[] {
  const scores = predict(traces, scaled);
  const threshold = pooledQuantile(scores, free, share);
  return scores.map((each, branch) => ({ vector: meanStandIn(traces, branch, each, threshold) }));
}

/** The same with maps of a rank; branches that never skip get such of zeros. */
export async function mappedStandInsAt(
  traces: Traces,
  scaled: readonly BranchRow[],
  free: readonly number[],
  share: number,
  rank: number,
  pacer: Pacer,
): Promise<BranchStandIn[]> {
  const vectors = standInsAt(traces, scaled, free, share);
  if (rank === 0) return vectors;
  const scores = predict(traces, scaled);
  const threshold = pooledQuantile(scores, free, share);
  const made: BranchStandIn[] = [];
  for (const [branch, { vector }] of vectors.entries()) {
    pacer.report('stand-ins', branch, vectors.length);
    const limit = free.includes(branch) ? threshold : Number.NEGATIVE_INFINITY;
    made.push(await fitStandInMap(traces, branch, scores[branch] as Float64Array, limit, vector, rank, pacer));
  }
  pacer.report('stand-ins', vectors.length, vectors.length);
  return made;
}
