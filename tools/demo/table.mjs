/**
 * Rows of text as columns; all but the first column stand at their right edge.
 *
 * @param {readonly (readonly string[])[]} rows the first is the header
 */
export function table(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
    )
    .join('\n');
}

/** @param {number} share */
export const percent = (share) => `${(100 * share).toFixed(1)} %`;
