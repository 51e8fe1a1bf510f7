import { DataMissingError, RecordInvalidError, type RecordPlace } from '../errors.js';
import { readUtf8File } from './read-utf8-file.js';
import { wrappedRecords } from './wrapped-records.js';

export type DataValue = Readonly<Record<string, unknown>>;

/** A record of a data file. */
export interface DataRecord {
  readonly place: RecordPlace;
  readonly value: DataValue;
}

export interface DataFile {
  readonly records: readonly DataRecord[];
  readonly sha256: string;
}

/** No evaluation set comes near these. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MAX_RECORDS = 1_000_000;

/**
 * Reads records: JSON Lines (empty lines are passed over), a JSON list, pages of the hub's datasets server (one document, or
 * one a line), or a document with its records in `data`. Which of them it is, its first line says.
 *
 * @throws DataMissingError, RecordInvalidError
 */
export async function readDataFile(path: string): Promise<DataFile> {
  const { text, sha256 } = await readUtf8File(path, MAX_FILE_BYTES, 'Cut it into smaller files.');
  const records: DataRecord[] = [];
  const seen = new Set<number>();
  const add = (place: RecordPlace, value: unknown): void => {
    if (records.length >= MAX_RECORDS) throw new RecordInvalidError(path, place, `at most ${MAX_RECORDS} records are read`);
    if (!isObject(value)) throw new RecordInvalidError(path, place, 'it is no object');
    // Pages that overlap would count items twice.
    if (seen.has(place.number)) throw new RecordInvalidError(path, place, 'it is there twice');
    seen.add(place.number);
    records.push({ place, value });
  };
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.trim() !== '');
  const document = first < 0 ? undefined : documentOf(text, lines[first] as string, (problem) => failAt(path, first + 1, problem));
  if (document !== undefined) addAll(document, path, records, add);
  else
    for (const [index, line] of lines.entries()) {
      if (line.trim() === '') continue;
      const place: RecordPlace = { unit: 'line', number: index + 1 };
      const value = parseLine(line, (problem) => failAt(path, index + 1, problem));
      const wrapped = isObject(value) ? wrappedRecords(value, path, records.length) : undefined;
      if (wrapped === undefined) add(place, value);
      else for (const part of wrapped) add(part.place, part.value);
    }
  if (records.length === 0)
    throw new DataMissingError(`${path} holds no records.`, 'Give JSON Lines, a JSON list or pages of the datasets server.', {
      what: path,
    });
  return { records, sha256 };
}

function addAll(document: unknown, path: string, before: readonly DataRecord[], add: (place: RecordPlace, value: unknown) => void): void {
  const list = Array.isArray(document) ? document : undefined;
  const wrapped = list === undefined && isObject(document) ? wrappedRecords(document, path, before.length) : undefined;
  if (wrapped !== undefined) for (const { place, value } of wrapped) add(place, value);
  else for (const [index, value] of (list ?? [document]).entries()) add({ unit: 'record', number: index + 1 }, value);
}

/** The whole text as one document; undefined where its first line stands for itself. */
function documentOf(text: string, firstLine: string, fail: (problem: string) => never): unknown {
  let problem: string;
  try {
    const value: unknown = JSON.parse(firstLine);
    if (!Array.isArray(value)) return undefined;
    problem = 'it is a list, and more follows';
  } catch (error) {
    problem = (error as Error).message;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail(`it is no JSON, neither by itself (${problem}) nor with all lines (${(error as Error).message})`);
  }
}

function parseLine(line: string, fail: (problem: string) => never): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    return fail(`it is no JSON: ${(error as Error).message}`);
  }
}

function failAt(path: string, line: number, problem: string): never {
  throw new RecordInvalidError(path, { unit: 'line', number: line }, problem);
}

function isObject(value: unknown): value is DataValue {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
