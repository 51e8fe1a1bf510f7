import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { DataMissingError, RecordInvalidError } from '../errors.js';

/** A line of a data file, with its number from 1 on. */
export interface JsonLine {
  readonly line: number;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface JsonLinesFile {
  readonly lines: readonly JsonLine[];
  readonly sha256: string;
}

/** No evaluation set comes near these. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const MAX_RECORDS = 1_000_000;

/**
 * Reads a JSON Lines file of objects; empty lines are passed over.
 *
 * @throws DataMissingError, RecordInvalidError
 */
export async function readJsonLines(path: string): Promise<JsonLinesFile> {
  let bytes: Buffer;
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > MAX_FILE_BYTES)
        throw new DataMissingError(`${path} has ${size} bytes, at most ${MAX_FILE_BYTES} are read.`, 'Cut it into smaller files.', {
          what: path,
          got: size,
        });
      bytes = await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof DataMissingError) throw error;
    throw new DataMissingError(`Cannot read ${path}: ${(error as Error).message}.`, 'Check the name.', { what: path });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new DataMissingError(`${path} is not UTF-8 text.`, 'Convert it first.', { what: path });
  }
  const lines: JsonLine[] = [];
  for (const [index, part] of text.split('\n').entries()) {
    if (part.trim() === '') continue;
    if (lines.length >= MAX_RECORDS) throw new RecordInvalidError(path, index + 1, `at most ${MAX_RECORDS} records are read`);
    let value: unknown;
    try {
      value = JSON.parse(part);
    } catch (error) {
      throw new RecordInvalidError(path, index + 1, `it is no JSON: ${(error as Error).message}`);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new RecordInvalidError(path, index + 1, 'it is no object');
    lines.push({ line: index + 1, value: value as JsonLine['value'] });
  }
  if (lines.length === 0) throw new DataMissingError(`${path} holds no records.`, 'Give a JSON Lines file.', { what: path });
  return { lines, sha256: createHash('sha256').update(bytes).digest('hex') };
}
