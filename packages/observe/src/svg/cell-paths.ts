import { rangeShare, scaleColor, toHex } from '../color-scale.js';
import type { ScoreRange } from '../score-range.js';
import { isKept, type SkipTrace, scoreAt } from '../trace.js';
import type { Layout } from './layout.js';

/** Colours are rounded to so many steps, so that cells of one colour share one path element. */
const STEPS = 48;

/**
 * All cells of the map, as one path per colour. A computed cell is filled; of a skipped one only a thin bar remains, so
 * that skipping shows as holes whatever the colours.
 */
export function cellPaths(trace: SkipTrace, layout: Layout, range: ScoreRange, what: 'scores' | 'skips'): string {
  const paths = new Map<string, string[]>();
  for (const row of layout.rows) {
    for (let token = layout.from; token < layout.to; token++) {
      const kept = isKept(trace, token, row.branch);
      const paint = cellPaint(scoreAt(trace, token, row.branch), range, what);
      const height = kept ? layout.cellHeight : 1.5;
      const y = row.y + (layout.cellHeight - height) / 2;
      const parts = paths.get(paint) ?? [];
      parts.push(
        `M${layout.left + (token - layout.from) * layout.cellWidth} ${y}h${layout.cellWidth - 1}v${height}h-${layout.cellWidth - 1}z`,
      );
      paths.set(paint, parts);
    }
  }
  return Array.from(paths, ([paint, parts]) => `<path ${paint} d="${parts.join('')}"/>`).join('\n');
}

function cellPaint(score: number, range: ScoreRange, what: 'scores' | 'skips'): string {
  if (what === 'skips') return 'class="kept"';
  if (!Number.isFinite(score)) return 'class="blank"';
  return `fill="${toHex(scaleColor(Math.round(rangeShare(score, range.low, range.high) * STEPS) / STEPS))}"`;
}
