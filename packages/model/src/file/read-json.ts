import { readFile, stat } from 'node:fs/promises';
import { InvalidModelError, ModelIoError, printable } from '../errors.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads a JSON object of bounded size; undefined where the file does not exist. */
export async function readJsonObject(path: string, maxBytes: number): Promise<JsonObject | undefined> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new InvalidModelError(path, `it has ${size} bytes, at most ${maxBytes} are read.`);
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (cause instanceof InvalidModelError) throw cause;
    throw new ModelIoError(`Cannot read ${printable(path)}: ${(cause as Error).message}.`, { what: path }, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidModelError(path, `it is not JSON: ${printable((cause as Error).message)}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidModelError(path, 'it is not a JSON object.');
  return value as JsonObject;
}
