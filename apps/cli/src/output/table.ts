/** Columns padded to their widest cell, two spaces between them. Numbers (`right`) are aligned at their ends. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    header
      .map((_, column) => {
        const cell = row[column] ?? '';
        return right.includes(column) ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number);
      })
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** `name  value` lines. */
export function pairs(entries: readonly (readonly [string, string])[], indent = ''): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}\n`).join('');
}
