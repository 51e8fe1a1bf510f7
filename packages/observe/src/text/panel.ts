import type { ScoreRange } from '../score-range.js';
import { type BranchKinds, isKept, type SkipTrace, skipShare } from '../trace.js';
import { asciiScore, asciiSkips, cellColor, fullBlock, halfBlock, RESET, type TerminalColor } from './cell-style.js';

export interface PanelOptions {
  readonly what: 'scores' | 'skips';
  readonly kinds: BranchKinds;
  readonly color: TerminalColor;
  readonly range: ScoreRange;
  /** Characters of the layer labels, before the map. */
  readonly labelWidth: number;
}

/** Characters after the map: the skip shares of attention and MLP. */
export const SHARE_WIDTH = 11;

/** Lines of one panel: tokens `from..to`, one character a token, layer 0 on top. */
export function renderPanel(trace: SkipTrace, from: number, to: number, options: PanelOptions): string[] {
  const columns = to - from;
  const pad = ' '.repeat(options.labelWidth);
  const lines = [
    `${pad}${ruler(from, to)}  skipped`,
    `${'layer'.padEnd(options.labelWidth)}${source(trace, from, to, options.color)}  attn  mlp`,
  ];
  for (let layer = 0; layer < trace.branches / 2; layer++) {
    const shares = `  ${percent(skipShare(trace, from, to, 2 * layer, 2 * layer + 1))} ${percent(skipShare(trace, from, to, 2 * layer + 1, 2 * layer + 2))}`;
    rows(trace, from, columns, layer, options).forEach((row, index) => {
      const label = index === 0 ? String(layer).padStart(options.labelWidth - 2) : ' '.repeat(options.labelWidth - 2);
      const suffix = row.mark ? `${row.mark} ` : '  ';
      lines.push(`${label}${suffix}${row.cells}${index === 0 ? shares : ''}`);
    });
  }
  return lines;
}

interface Row {
  readonly cells: string;
  /** Tells the attention row from the MLP row where each has its own. */
  readonly mark: string;
}

function rows(trace: SkipTrace, from: number, columns: number, layer: number, options: PanelOptions): Row[] {
  const { what, kinds, color, range } = options;
  const draw = (cell: (token: number) => string): string => Array.from({ length: columns }, (_, column) => cell(from + column)).join('');
  if (color === 'none') {
    if (what === 'skips' && kinds === 'both') return [{ cells: draw((token) => asciiSkips(trace, token, layer)), mark: '' }];
    return branchesOf(layer, kinds).map((branch) => ({
      cells: draw((token) => (what === 'scores' ? asciiScore(trace, token, branch, range) : isKept(trace, token, branch) ? '#' : '.')),
      mark: kinds === 'both' ? (branch % 2 === 0 ? 'a' : 'm') : '',
    }));
  }
  if (kinds === 'both') {
    const cells = draw((token) =>
      halfBlock(cellColor(trace, token, 2 * layer, what, range), cellColor(trace, token, 2 * layer + 1, what, range), color),
    );
    return [{ cells: cells + RESET, mark: '' }];
  }
  const branch = branchesOf(layer, kinds)[0] as number;
  return [{ cells: draw((token) => fullBlock(cellColor(trace, token, branch, what, range), color)) + RESET, mark: '' }];
}

function branchesOf(layer: number, kinds: BranchKinds): number[] {
  if (kinds === 'attention') return [2 * layer];
  return kinds === 'mlp' ? [2 * layer + 1] : [2 * layer, 2 * layer + 1];
}

/** Token positions, one label each ten columns, never over the edge. */
function ruler(from: number, to: number): string {
  let line = '';
  for (let position = from; position < to; position++) {
    if (line.length > position - from) continue;
    const label = String(position);
    const marked = position === from || position % 10 === 0;
    line += marked && position - from + label.length <= to - from && (line === '' || line.endsWith(' ')) ? label : ' ';
  }
  return line.padEnd(to - from);
}

/** Under the ruler: which tokens are the prompt's and which the answer's. */
function source(trace: SkipTrace, from: number, to: number, color: TerminalColor): string {
  const [prompt, answer] = color === 'none' ? ['-', '='] : ['─', '═'];
  return Array.from({ length: to - from }, (_, column) => (from + column < trace.promptTokens ? prompt : answer)).join('');
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`.padStart(4);
}
