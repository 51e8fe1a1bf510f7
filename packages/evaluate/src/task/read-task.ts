import { readFile, stat } from 'node:fs/promises';
import { DataMissingError, TaskInvalidError } from '../errors.js';
import type { EvaluationTask } from './task.js';
import { validateTask } from './validate-task.js';

const MAX_BYTES = 1024 * 1024;

/** A task of one's own, from a JSON file. @throws DataMissingError, TaskInvalidError */
export async function readTask(path: string): Promise<EvaluationTask> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES)
      throw new DataMissingError(`${path} has ${size} bytes, a task has at most ${MAX_BYTES}.`, 'Name a task file.', { what: path });
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof DataMissingError) throw error;
    throw new DataMissingError(`Cannot read ${path}: ${(error as Error).message}.`, 'Check the name.', { what: path });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TaskInvalidError(path, `it is no JSON: ${(error as Error).message}`);
  }
  return validateTask(value);
}
