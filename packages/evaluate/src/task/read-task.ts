import { readUtf8File } from '../data/read-utf8-file.js';
import { TaskInvalidError } from '../errors.js';
import type { EvaluationTask } from './task.js';
import { validateTask } from './validate-task.js';

const MAX_BYTES = 1024 * 1024;

/** A task of one's own, from a JSON file. @throws DataMissingError, TaskInvalidError */
export async function readTask(path: string): Promise<EvaluationTask> {
  const { text } = await readUtf8File(path, MAX_BYTES, 'Name a task file.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TaskInvalidError(path, `it is no JSON: ${(error as Error).message}`);
  }
  return validateTask(value);
}
