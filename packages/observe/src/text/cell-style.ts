import { type Rgb, rangeShare, scaleColor, toAnsi256 } from '../color-scale.js';
import type { ScoreRange } from '../score-range.js';
import { isKept, type SkipTrace, scoreAt } from '../trace.js';

/** `none` draws with ASCII characters only. */
export type TerminalColor = 'truecolor' | '256' | 'none';

const KEPT: Rgb = [70, 120, 180];
const SKIPPED: Rgb = [240, 190, 70];
const NO_SCORE: Rgb = [96, 96, 96];
/** Low to high; a blank is a cell without a score. */
export const ASCII_RAMP = '.:-=+*#%@';

export function cellColor(trace: SkipTrace, token: number, branch: number, what: 'scores' | 'skips', range: ScoreRange): Rgb {
  if (what === 'skips') return isKept(trace, token, branch) ? KEPT : SKIPPED;
  const score = scoreAt(trace, token, branch);
  return Number.isFinite(score) ? scaleColor(rangeShare(score, range.low, range.high)) : NO_SCORE;
}

export const legendColors = { kept: KEPT, skipped: SKIPPED, noScore: NO_SCORE } as const;

/** One character with two colours: `▀` shows the first above, the second below. */
export function halfBlock(above: Rgb, below: Rgb, color: Exclude<TerminalColor, 'none'>): string {
  return `${paint(above, color, 38)}${paint(below, color, 48)}▀`;
}

export function fullBlock(color: Rgb, mode: Exclude<TerminalColor, 'none'>): string {
  return `${paint(color, mode, 38)}█`;
}

export const RESET = '\u001b[0m';

export function asciiScore(trace: SkipTrace, token: number, branch: number, range: ScoreRange): string {
  const score = scoreAt(trace, token, branch);
  if (!Number.isFinite(score)) return ' ';
  const index = Math.min(ASCII_RAMP.length - 1, Math.floor(rangeShare(score, range.low, range.high) * ASCII_RAMP.length));
  return ASCII_RAMP[index] as string;
}

/** `#` both computed, `A` attention only, `M` MLP only, `.` neither. */
export function asciiSkips(trace: SkipTrace, token: number, layer: number): string {
  const attention = isKept(trace, token, 2 * layer);
  const mlp = isKept(trace, token, 2 * layer + 1);
  if (attention && mlp) return '#';
  if (attention) return 'A';
  return mlp ? 'M' : '.';
}

function paint(color: Rgb, mode: Exclude<TerminalColor, 'none'>, plane: 38 | 48): string {
  return mode === 'truecolor' ? `\u001b[${plane};2;${color.join(';')}m` : `\u001b[${plane};5;${toAnsi256(color)}m`;
}
