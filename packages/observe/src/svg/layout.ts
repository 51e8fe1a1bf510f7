import type { BranchKinds } from '../trace.js';

export interface RowPlace {
  readonly branch: number;
  readonly y: number;
}

/** Where everything stands, in pixels. */
export interface Layout {
  readonly from: number;
  readonly to: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
  /** Top left corner of the map. */
  readonly left: number;
  readonly top: number;
  readonly mapWidth: number;
  readonly mapHeight: number;
  readonly rows: readonly RowPlace[];
  /** Height of the bars over the tokens, width of those beside the branches. */
  readonly barHeight: number;
  readonly barWidth: number;
  readonly width: number;
  readonly height: number;
}

const LAYER_GAP = 3;

export function layOut(layers: number, from: number, to: number, kinds: BranchKinds): Layout {
  const tokens = to - from;
  const cellWidth = 13;
  const cellHeight = kinds === 'both' ? 7 : 11;
  const rowsPerLayer = kinds === 'both' ? 2 : 1;
  const left = 64;
  const barHeight = 36;
  const barWidth = 90;
  const top = 92;
  const rows: RowPlace[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const y = top + layer * (rowsPerLayer * (cellHeight + 1) + LAYER_GAP);
    if (kinds !== 'mlp') rows.push({ branch: 2 * layer, y });
    if (kinds !== 'attention') rows.push({ branch: 2 * layer + 1, y: kinds === 'both' ? y + cellHeight + 1 : y });
  }
  const mapHeight = (rows.at(-1) as RowPlace).y + cellHeight - top;
  const mapWidth = tokens * cellWidth;
  return {
    from,
    to,
    cellWidth,
    cellHeight,
    left,
    top,
    mapWidth,
    mapHeight,
    rows,
    barHeight,
    barWidth,
    // The title and the legend need this much even beside a map of one token.
    width: Math.max(560, left + mapWidth + 12 + barWidth + 44),
    height: top + mapHeight + 120 + 46,
  };
}
