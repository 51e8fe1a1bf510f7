import { type BranchKind, branchKind, branchLayer, type GateParameters } from '@gateskip/gate';
import type { Pacer } from '../progress.js';
import type { GateTraces } from './collect-gate-traces.js';
import { dotRow } from './linear-fit.js';
import { rankCorrelation } from './rank-correlation.js';
import { fitRidgeRow } from './ridge-fit.js';

/** How well a head says what the gate said, on rows that it was not fitted to. */
export interface ScoreHeadQuality {
  readonly branch: number;
  readonly layer: number;
  readonly kind: BranchKind;
  readonly protected: boolean;
  /** Share of the variance of the score's logit that is explained; null where the scores of held-out rows are all the same. */
  readonly heldOutR2: number | null;
  /** Spearman's, of scores; null where either side is the same for all held-out rows. */
  readonly rankCorrelation: number | null;
}

export interface ScoreHeads {
  /** Scalar gates, one a branch. */
  readonly gates: readonly GateParameters[];
  readonly qualities: readonly ScoreHeadQuality[];
}

/** Scores nearer to 0 or 1 are those of a saturated gate, which float32 cannot tell from 0 or 1. */
const EDGE = 2 ** -24;

/** A linear row for the logit of each branch's scores, by ridge regression on the branch's input. */
export async function fitScoreHeads(traces: GateTraces, protectedBranches: readonly number[], pacer: Pacer): Promise<ScoreHeads> {
  const { inputs, scores, fitRows, size } = traces;
  const gates: GateParameters[] = [];
  const qualities: ScoreHeadQuality[] = [];
  for (let branch = 0; branch < inputs.length; branch++) {
    pacer.report('gates', branch, inputs.length);
    const logits = scores[branch]!.map(logit);
    const { weight, bias } = await fitRidgeRow(inputs[branch]!, logits, fitRows, size, pacer);
    const gate: GateParameters = { weight: Float32Array.from(weight), bias: Float32Array.of(bias) };
    gates.push(gate);
    qualities.push({
      branch,
      layer: branchLayer(branch),
      kind: branchKind(branch),
      protected: protectedBranches.includes(branch),
      ...judge(gate, inputs[branch]!, logits, fitRows),
    });
    await pacer.breathe();
  }
  pacer.report('gates', inputs.length, inputs.length);
  return { gates, qualities };
}

function judge(
  { weight, bias }: GateParameters,
  inputs: Float32Array,
  logits: Float64Array,
  fitRows: number,
): Pick<ScoreHeadQuality, 'heldOutR2' | 'rankCorrelation'> {
  const row = Float64Array.from(weight);
  const wanted = logits.subarray(fitRows);
  const given = wanted.map((_, index) => dotRow(row, inputs, (fitRows + index) * row.length) + bias[0]!);
  const mean = wanted.reduce((sum, value) => sum + value, 0) / wanted.length;
  const variance = wanted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = wanted.reduce((sum, value, index) => sum + (value - given[index]!) ** 2, 0);
  const isVaried = wanted.some((value) => value !== wanted[0]);
  const ranks = rankCorrelation(wanted, given);
  return { heldOutR2: isVaried ? 1 - error / variance : null, rankCorrelation: Number.isNaN(ranks) ? null : ranks };
}

function logit(score: number): number {
  const inside = Math.min(1 - EDGE, Math.max(EDGE, score));
  return Math.log(inside / (1 - inside));
}
