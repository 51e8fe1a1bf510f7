import { InvalidArgumentError } from '@gateskip/errors';
import { rangeShare, scaleColor } from '../color-scale.js';
import { HeatMapTooLargeError } from '../errors.js';
import { oneOf } from '../one-of.js';
import { type ScoreRange, scoreRange } from '../score-range.js';
import { type BranchKinds, checkTrace, type SkipTrace, skipShare, tokenRange } from '../trace.js';
import { ASCII_RAMP, fullBlock, legendColors, RESET, type TerminalColor } from './cell-style.js';
import { renderPanel, SHARE_WIDTH } from './panel.js';

export type { TerminalColor } from './cell-style.js';

export interface HeatMapTextOptions {
  /** Characters of a line, 40..1000; default 80. */
  readonly width?: number;
  /** Default `none`: plain ASCII, fit for logs. */
  readonly color?: TerminalColor;
  /** Colour by score, or by computed / skipped; default `skips`. */
  readonly what?: 'scores' | 'skips';
  /** Default `both`. */
  readonly kinds?: BranchKinds;
  /** First token drawn, and the one after the last. */
  readonly from?: number;
  readonly to?: number;
  /** Scores at the ends of the colour scale; default: the 2 % and 98 % quantiles of those drawn. */
  readonly range?: readonly [low: number, high: number];
}

const MAX_TEXT_CELLS = 1_000_000;
const LEGEND_STEPS = 24;

/**
 * Layers x tokens for a terminal: one column a token, one line a layer (attention in its upper, MLP in its lower half),
 * cut into panels where the tokens do not fit the width, with the share of skipped tokens per branch at the right.
 *
 * @throws ShapeMismatchError, InvalidArgumentError, HeatMapTooLargeError
 */
export function renderHeatMapText(trace: SkipTrace, options: HeatMapTextOptions = {}): string {
  checkTrace(trace);
  const { width = 80, color = 'none', what = 'skips', kinds = 'both' } = options;
  oneOf('color', color, ['truecolor', '256', 'none']);
  oneOf('what', what, ['scores', 'skips']);
  oneOf('kinds', kinds, ['both', 'attention', 'mlp']);
  if (!Number.isInteger(width) || width < 40 || width > 1000) {
    throw new InvalidArgumentError(`A width of ${width} characters cannot be drawn.`, 'Pass 40..1000.', { what: 'width', got: width });
  }
  const { from, to } = tokenRange(trace.tokens.length, options.from, options.to);
  const cells = (to - from) * trace.branches;
  if (cells > MAX_TEXT_CELLS) throw new HeatMapTooLargeError('Cells of the heat map', cells, MAX_TEXT_CELLS);

  const range = scoreRange(trace, from, to, options.range);
  const labelWidth = Math.max(7, String(trace.branches / 2).length + 3);
  // Panels of even size, so that the last is no sliver.
  const fitting = width - labelWidth - SHARE_WIDTH;
  const columns = Math.ceil((to - from) / Math.ceil((to - from) / fitting));
  const panels: string[] = [];
  for (let start = from; start < to; start += columns) {
    panels.push(renderPanel(trace, start, Math.min(to, start + columns), { what, kinds, color, range, labelWidth }).join('\n'));
  }
  return `${[title(trace, from, to, what), ...panels, legend(what, kinds, color, range)].join('\n\n')}\n`;
}

function title(trace: SkipTrace, from: number, to: number, what: 'scores' | 'skips'): string {
  const share = (100 * skipShare(trace, from, to, 0, trace.branches)).toFixed(1);
  const prompt = Math.max(0, Math.min(to, trace.promptTokens) - from);
  return `${what}: ${trace.branches / 2} layers x ${to - from} tokens (${prompt} of the prompt), ${share} % of branch-token evaluations skipped`;
}

function legend(what: 'scores' | 'skips', kinds: BranchKinds, color: TerminalColor, range: ScoreRange): string {
  const lines: string[] = [];
  if (color === 'none') {
    if (what === 'scores') {
      lines.push(
        `score ${format(range.low)} ${ASCII_RAMP} ${format(range.high)}, blank: no score${kinds === 'both' ? '; a: attention, m: MLP' : ''}`,
      );
    } else if (kinds === 'both') lines.push('#: both computed  A: attention only  M: MLP only  .: both skipped');
    else lines.push('#: computed  .: skipped');
    lines.push('-: prompt  =: answer');
    return lines.join('\n');
  }
  if (what === 'scores') {
    const bar = Array.from({ length: LEGEND_STEPS }, (_, step) => fullBlock(scaleColor(rangeShare(step, 0, LEGEND_STEPS - 1)), color)).join(
      '',
    );
    lines.push(
      `score ${format(range.low)} ${bar}${RESET} ${format(range.high)}   ${fullBlock(legendColors.noScore, color)}${RESET} no score`,
    );
  } else {
    lines.push(`${fullBlock(legendColors.kept, color)}${RESET} computed   ${fullBlock(legendColors.skipped, color)}${RESET} skipped`);
  }
  lines.push(`${kinds === 'both' ? 'each cell: attention above, MLP below   ' : ''}─ prompt  ═ answer`);
  return lines.join('\n');
}

const format = (score: number): string => score.toPrecision(3);
