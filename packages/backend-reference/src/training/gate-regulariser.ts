import type { GateRegulariser } from '@gateskip/backend';
import { type BranchGates, gateDensityLoss, gateL1Loss, gateL2Loss } from '@gateskip/gate';

/** One branch's share of a gate loss over `branches` branches; all kinds are means over branches. */
export function regularise(
  regulariser: GateRegulariser,
  gates: BranchGates,
  branches: number,
): { readonly value: number; readonly gradient: Float64Array } {
  const { kind, density, rows } = regulariser;
  const one = [gates];
  const loss = kind === 'density' ? gateDensityLoss(one, density!, rows) : kind === 'l2' ? gateL2Loss(one, rows) : gateL1Loss(one, rows);
  return { value: loss.value / branches, gradient: loss.gradients[0]!.map((slope) => slope / branches) };
}
