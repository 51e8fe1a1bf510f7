import { RecordInvalidError, type RecordPlace } from '../errors.js';
import type { DataValue } from './read-data-file.js';

interface Wrapped {
  readonly place: RecordPlace;
  readonly value: unknown;
}

interface Row {
  readonly row_idx?: unknown;
  readonly row: unknown;
  readonly truncated_cells?: unknown;
}

/**
 * Records inside an object that is none itself: a page of the hub's datasets server (`/rows`, `/first-rows`), or a document
 * with nothing but a version beside its `data` (SQuAD).
 *
 * @param before how many records came before
 * @returns undefined where it is a record
 * @throws RecordInvalidError for a row of which the server left something out
 */
export function wrappedRecords(value: DataValue, path: string, before: number): readonly Wrapped[] | undefined {
  const { rows, data } = value;
  if (isRows(rows))
    return rows.map(({ row_idx: index, row, truncated_cells: cut }, at) => {
      const number = typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 ? index + 1 : before + at + 1;
      const place: RecordPlace = { unit: 'record', number };
      if (Array.isArray(cut) && cut.length > 0)
        throw new RecordInvalidError(path, place, `the server cut its fields ${cut.map((name) => JSON.stringify(name)).join(', ')}`);
      return { place, value: row };
    });
  if (Array.isArray(data) && Object.keys(value).every((key) => key === 'data' || key === 'version'))
    return data.map((part: unknown, at) => ({ place: { unit: 'record', number: before + at + 1 }, value: part }));
  return undefined;
}

function isRows(rows: unknown): rows is readonly Row[] {
  return Array.isArray(rows) && rows.every((row) => typeof row === 'object' && row !== null && 'row' in row);
}
