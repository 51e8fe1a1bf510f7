import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import type { FloatArray } from './float-array.js';

/** One branch's gate outputs: [rows, width]. */
export interface BranchGates {
  readonly output: FloatArray;
  readonly width: number;
}

/** A loss and its gradient with respect to every branch's gate outputs. */
export interface GateLoss {
  readonly value: number;
  /** Per branch, [rows, width]. */
  readonly gradients: readonly Float64Array[];
}

/** Where a mean is too close to 0 or 1, the divergence and its slope are taken at this distance from it. */
const DENSITY_MARGIN = 1e-6;

/** Published sparsity loss: mean over branches of the mean of g². `valid` [rows] leaves out padding and end tokens. */
export function gateL2Loss(branches: readonly BranchGates[], valid?: Uint8Array): GateLoss {
  return pointwiseLoss(
    branches,
    valid,
    (g) => g * g,
    (g) => 2 * g,
  );
}

/** Mean over branches of the mean of |g|. */
export function gateL1Loss(branches: readonly BranchGates[], valid?: Uint8Array): GateLoss {
  return pointwiseLoss(branches, valid, Math.abs, Math.sign);
}

/**
 * Mean over branches of the Bernoulli divergence KL(ρ || m) between the wanted density ρ and the branch's mean gate m:
 * `ρ ln(ρ / m) + (1 - ρ) ln((1 - ρ) / (1 - m))`. Its slope stays finite where a gate is saturated.
 *
 * @param density ρ, wanted share of kept rows, in 0..1
 */
export function gateDensityLoss(branches: readonly BranchGates[], density: number, valid?: Uint8Array): GateLoss {
  if (!(density >= 0 && density <= 1)) throw new InvalidArgumentError(`Target density must be in 0..1, got ${density}.`);
  let value = 0;
  const gradients = branches.map((branch) => {
    const gradient = new Float64Array(branch.output.length);
    const rows = selectRows(branch, valid);
    if (rows.length === 0) return gradient;
    const count = rows.length * branch.width;
    let sum = 0;
    for (const row of rows) for (let j = 0; j < branch.width; j++) sum += branch.output[row * branch.width + j]!;
    const mean = Math.min(1 - DENSITY_MARGIN, Math.max(DENSITY_MARGIN, sum / count));
    value += (entropyTerm(density, mean) + entropyTerm(1 - density, 1 - mean)) / branches.length;
    const slope = (mean - density) / (mean * (1 - mean)) / count / branches.length;
    for (const row of rows) gradient.fill(slope, row * branch.width, (row + 1) * branch.width);
    return gradient;
  });
  return { value, gradients };
}

function entropyTerm(p: number, q: number): number {
  return p === 0 ? 0 : p * Math.log(p / q);
}

function pointwiseLoss(
  branches: readonly BranchGates[],
  valid: Uint8Array | undefined,
  term: (g: number) => number,
  slope: (g: number) => number,
): GateLoss {
  let value = 0;
  const gradients = branches.map((branch) => {
    const gradient = new Float64Array(branch.output.length);
    const rows = selectRows(branch, valid);
    const weight = rows.length === 0 ? 0 : 1 / (rows.length * branch.width * branches.length);
    for (const row of rows) {
      for (let i = row * branch.width; i < (row + 1) * branch.width; i++) {
        value += weight * term(branch.output[i]!);
        gradient[i] = weight * slope(branch.output[i]!);
      }
    }
    return gradient;
  });
  return { value, gradients };
}

function selectRows(branch: BranchGates, valid: Uint8Array | undefined): readonly number[] {
  const rows = branch.output.length / branch.width;
  if (!Number.isInteger(rows)) throw new ShapeMismatchError('Gate outputs', ['rows', branch.width], [branch.output.length]);
  if (valid !== undefined && valid.length !== rows) throw new ShapeMismatchError('Valid flags', [rows], [valid.length]);
  return Array.from({ length: rows }, (_, row) => row).filter((row) => valid === undefined || valid[row] !== 0);
}
