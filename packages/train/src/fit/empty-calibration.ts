import { branchCount, type Calibration } from '@gateskip/gate';

/** A calibration that serves no budget, until there is a measured one. */
export function emptyCalibration(
  layers: number,
  options: { kv: Calibration['kv']; protectedBranches: readonly number[]; pinnedTokens: number },
): Calibration {
  return {
    kv: options.kv,
    tokens: 0,
    protectedBranches: [...options.protectedBranches].sort((a, b) => a - b),
    pinnedTokens: options.pinnedTokens,
    curve: [{ threshold: 0, skip: 0, net: 1 }],
    levels: [0, 1],
    branchQuantiles: Array.from({ length: branchCount({ layers }) }, () => [0, 1]),
  };
}
