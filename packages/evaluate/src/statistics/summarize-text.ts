import type { PreparedText } from '../run/prepare-text.js';
import type { AgreementResult, PerplexityResult, WindowResult } from '../run/results.js';
import { addUsage, type Held, heldOf, noUsage, type Usage } from '../scoring/usage.js';
import { blockBootstrap, pairedBootstrap } from './bootstrap.js';

/** A sum of all windows over the number of scored tokens. */
const perToken =
  (what: string) =>
  (windows: readonly WindowResult[]): number => {
    let sum = 0;
    let tokens = 0;
    for (const window of windows) {
      sum += window.sums[what] as number;
      tokens += window.tokens;
    }
    return sum / tokens;
  };

const heldBy = (windows: readonly WindowResult[], branches: number, usageOf = ({ usage }: WindowResult): Usage => usage): Held =>
  heldOf(
    windows.reduce((sum, window) => addUsage(sum, usageOf(window)), noUsage),
    branches,
  );

/** @param dense windows of the same text without skipping */
export function summarizePerplexity(
  text: PreparedText,
  windows: readonly WindowResult[],
  branches: number,
  seed: number,
  dense?: readonly WindowResult[],
): PerplexityResult {
  const tokens = windows.reduce((sum, window) => sum + window.tokens, 0);
  const nll = perToken('nll')(windows);
  return {
    perToken: Math.exp(nll),
    perWord: Math.exp((nll * tokens) / Math.max(1, text.words)),
    perByte: Math.exp((nll * tokens) / text.bytes),
    bitsPerByte: (nll * tokens) / text.bytes / Math.LN2,
    standardError: blockBootstrap(windows, (drawn) => Math.exp(perToken('nll')(drawn)), seed),
    tokens,
    held: heldBy(windows, branches),
    ...(dense && { pairedAgainstDense: pairedBootstrap(windows, dense, perToken('nll'), seed) }),
    windows,
  };
}

export function summarizeAgreement(windows: readonly WindowResult[], branches: number, seed: number): AgreementResult {
  const error = (what: string): number => blockBootstrap(windows, perToken(what), seed);
  return {
    kl: perToken('kl')(windows),
    top1: perToken('top1')(windows),
    top5: perToken('top5')(windows),
    standardErrors: { kl: error('kl'), top1: error('top1'), top5: error('top5') },
    tokens: windows.reduce((sum, window) => sum + window.tokens, 0),
    held: heldBy(windows, branches),
    ...(windows.some(({ comparedUsage }) => comparedUsage) && {
      heldCompared: heldBy(windows, branches, ({ usage, comparedUsage = usage }) => comparedUsage),
    }),
    windows,
  };
}
