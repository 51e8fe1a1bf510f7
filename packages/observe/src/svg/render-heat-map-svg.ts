import { scaleColor, toHex } from '../color-scale.js';
import { HeatMapTooLargeError } from '../errors.js';
import { oneOf } from '../one-of.js';
import { escapeXml, printable } from '../printable.js';
import { type ScoreRange, scoreRange } from '../score-range.js';
import { type BranchKinds, checkTrace, type SkipTrace, scoreAt, skipShare, tokenRange } from '../trace.js';
import { cellPaths } from './cell-paths.js';
import { type Layout, layOut } from './layout.js';

export interface HeatMapSvgOptions {
  /** Default: what the map shows, in words. Cut to 120 characters. */
  readonly title?: string;
  /** Colour by score (default; skipped cells are thin bars), or only computed / skipped. */
  readonly what?: 'scores' | 'skips';
  /** Default `both`. */
  readonly kinds?: BranchKinds;
  /** First token drawn, and the one after the last. */
  readonly from?: number;
  readonly to?: number;
  /** Scores at the ends of the colour scale; default: the 2 % and 98 % quantiles of those drawn. */
  readonly range?: readonly [low: number, high: number];
}

/** An SVG of more cells is slow in every viewer. */
const MAX_SVG_CELLS = 250_000;

const STYLE = `
svg{color-scheme:light dark}
.page{fill:#ffffff}text{font-family:ui-sans-serif,system-ui,sans-serif;font-size:10px;fill:#24292f}
.title{font-size:14px;font-weight:600}.mono{font-family:ui-monospace,monospace;font-size:9px}.quiet{fill:#6e7781}
.kept{fill:#3f78b5}.blank{fill:#a9b1ba}.bar{fill:#d08a1d}.rail{fill:#8888881f}.hit{fill:#000000;fill-opacity:0}.hit:hover{fill-opacity:.12}
.prompt{fill:#8c959f}.answer{fill:#2f8f6f}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#e6edf3}.quiet{fill:#9aa4ae}.hit{fill:#ffffff}.bar{fill:#e3a13b}}`;

/**
 * Layers x tokens as one self-contained SVG, light or dark as the reader's system is: score colours, skipped cells as
 * thin bars, share skipped per token above and per branch at the right, token texts below, tooltips. No scripts; texts of
 * tokens are escaped and shown with control characters made visible.
 *
 * @throws ShapeMismatchError, InvalidArgumentError, HeatMapTooLargeError
 */
export function renderHeatMapSvg(trace: SkipTrace, options: HeatMapSvgOptions = {}): string {
  checkTrace(trace);
  const { what = 'scores', kinds = 'both' } = options;
  oneOf('what', what, ['scores', 'skips']);
  oneOf('kinds', kinds, ['both', 'attention', 'mlp']);
  const { from, to } = tokenRange(trace.tokens.length, options.from, options.to);
  const cells = ((to - from) * trace.branches) / (kinds === 'both' ? 1 : 2);
  if (cells > MAX_SVG_CELLS) throw new HeatMapTooLargeError('Cells of the heat map', cells, MAX_SVG_CELLS);

  const layout = layOut(trace.branches / 2, from, to, kinds);
  const range = scoreRange(trace, from, to, options.range);
  const title = printable(options.title ?? `Gate ${what}: ${trace.branches / 2} layers x ${to - from} tokens`, 120);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${layout.width}" height="${layout.height}" viewBox="0 0 ${layout.width} ${layout.height}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${layout.width}" height="${layout.height}"/>`,
    `<text class="title" x="12" y="24">${escapeXml(title)}</text>`,
    `<text class="quiet" x="12" y="40">${subtitle(trace, layout)}</text>`,
    cellPaths(trace, layout, range, what),
    branchLabels(trace, layout),
    tokenColumns(trace, layout),
    legend(layout, range, what),
    '</svg>',
  ].join('\n')}\n`;
}

function subtitle(trace: SkipTrace, { from, to }: Layout): string {
  const share = (first: number): string => percent(skipShare(trace, from, to, first, trace.branches, 2));
  return `${percent(skipShare(trace, from, to, 0, trace.branches))} of branch-token evaluations skipped: attention ${share(0)}, MLP ${share(1)}`;
}

function branchLabels(trace: SkipTrace, layout: Layout): string {
  const barX = layout.left + layout.mapWidth + 12;
  const parts = [
    `<text class="quiet" x="12" y="${layout.top - 6}">layer</text>`,
    `<text class="quiet" x="${barX}" y="${layout.top - 6}">tokens skipped</text>`,
  ];
  let labelled = -1;
  for (const { branch, y } of layout.rows) {
    const layer = branch >> 1;
    const share = skipShare(trace, layout.from, layout.to, branch, branch + 1);
    const kind = branch % 2 === 0 ? 'attention' : 'MLP';
    const baseline = y + layout.cellHeight - 0.5;
    if (layer !== labelled) parts.push(`<text x="34" y="${baseline}" text-anchor="end">${layer}</text>`);
    labelled = layer;
    parts.push(
      `<text class="quiet" x="58" y="${baseline}" text-anchor="end" style="font-size:8px">${branch % 2 === 0 ? 'attn' : 'mlp'}</text>`,
      `<rect class="rail" x="${barX}" y="${y}" width="${layout.barWidth}" height="${layout.cellHeight}"/>`,
      `<rect class="bar" x="${barX}" y="${y}" width="${round(share * layout.barWidth)}" height="${layout.cellHeight}"><title>layer ${layer} ${kind}: ${percent(share)} of the tokens skipped</title></rect>`,
      `<text class="quiet" x="${barX + layout.barWidth + 4}" y="${baseline}" style="font-size:8px">${percent(share)}</text>`,
    );
  }
  return parts.join('\n');
}

function tokenColumns(trace: SkipTrace, layout: Layout): string {
  const parts: string[] = [];
  const bottom = layout.top + layout.mapHeight;
  for (let token = layout.from; token < layout.to; token++) {
    const x = layout.left + (token - layout.from) * layout.cellWidth;
    const share = skipShare(trace, token, token + 1, 0, trace.branches);
    const height = round(share * layout.barHeight);
    const text = escapeXml(printable(trace.texts[token] as string, 16));
    const side = token < trace.promptTokens ? 'prompt' : 'answer';
    if ((token - layout.from) % 5 === 0) {
      parts.push(`<text class="quiet" x="${x + 5}" y="${bottom + 17}" text-anchor="middle" style="font-size:8px">${token}</text>`);
    }
    parts.push(
      `<rect class="bar" x="${x}" y="${layout.top - 6 - height}" width="${layout.cellWidth - 1}" height="${height}"/>`,
      `<rect class="${side}" x="${x}" y="${bottom + 4}" width="${layout.cellWidth - 1}" height="3"/>`,
      `<text class="mono" xml:space="preserve" transform="translate(${x + 9} ${bottom + 22}) rotate(-90)" text-anchor="end">${text}</text>`,
      `<rect class="hit" x="${x}" y="${layout.top - 6 - layout.barHeight}" width="${layout.cellWidth - 1}" height="${layout.mapHeight + layout.barHeight + 10}"><title>${side} token ${token}, id ${trace.tokens[token]}, "${text}": ${percent(share)} of the branches skipped, mean score ${meanScore(trace, token)}</title></rect>`,
    );
  }
  return parts.join('\n');
}

function legend(layout: Layout, range: ScoreRange, what: 'scores' | 'skips'): string {
  const y = layout.height - 22;
  const parts: string[] = [];
  let x = 12;
  if (what === 'scores') {
    parts.push(`<text x="${x}" y="${y}">score ${range.low.toPrecision(3)}</text>`);
    x += 78;
    for (let step = 0; step < 24; step++) {
      parts.push(`<rect fill="${toHex(scaleColor(step / 23))}" x="${x + 5 * step}" y="${y - 9}" width="5" height="11"/>`);
    }
    parts.push(`<text x="${x + 126}" y="${y}">${range.high.toPrecision(3)}</text>`);
    x += 180;
  }
  parts.push(
    `<rect class="kept" x="${x}" y="${y - 9}" width="12" height="10"/><text x="${x + 18}" y="${y}">computed</text>`,
    `<rect class="kept" x="${x + 78}" y="${y - 5}" width="12" height="1.5"/><text x="${x + 96}" y="${y}">skipped</text>`,
    `<rect class="prompt" x="${x + 150}" y="${y - 5}" width="12" height="3"/><text x="${x + 168}" y="${y}">prompt</text>`,
    `<rect class="answer" x="${x + 216}" y="${y - 5}" width="12" height="3"/><text x="${x + 234}" y="${y}">answer</text>`,
  );
  return parts.join('\n');
}

function meanScore(trace: SkipTrace, token: number): string {
  let sum = 0;
  let count = 0;
  for (let branch = 0; branch < trace.branches; branch++) {
    const score = scoreAt(trace, token, branch);
    if (!Number.isFinite(score)) continue;
    sum += score;
    count++;
  }
  return count === 0 ? 'unknown' : (sum / count).toPrecision(3);
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const round = (value: number): number => Math.round(value * 100) / 100;
