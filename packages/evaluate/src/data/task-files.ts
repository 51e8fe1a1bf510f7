import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataMissingError } from '../errors.js';
import type { EvaluationTask } from '../task/task.js';

/** Files of one task on this machine. */
export interface TaskFiles {
  /** What is evaluated, for people: a path or a hub reference. */
  readonly source: string;
  readonly path: string;
  /** Where examples come from; undefined where there is no such file. */
  readonly fewShotPath: string | undefined;
}

/**
 * Finds a task's files: `place` is a folder that holds `<task>/<split>.jsonl`, or one JSON Lines file. Beside a single
 * file examples are looked for under the names that the task knows.
 *
 * @throws DataMissingError
 */
export async function findTaskFiles(task: EvaluationTask, place: string): Promise<TaskFiles> {
  const kind = await kindOf(place);
  if (kind === undefined)
    throw new DataMissingError(`There is no ${place}.`, 'Give a folder with <task>/<split>.jsonl, or a JSON Lines file.', { what: place });
  const { files, fewShotFiles = files } = task.data;
  if (kind === 'file') {
    const folder = dirname(place);
    return { source: place, path: place, fewShotPath: await firstOf(fewShotFiles.map((name) => join(folder, basename(name)))) };
  }
  const path = await firstOf(files.map((name) => join(place, name)));
  if (path === undefined)
    throw new DataMissingError(
      `${place} has no data for task ${task.name}: looked for ${files.join(', ')}.`,
      `Put them there, or give --data ${task.name}=FILE.`,
      {
        what: task.name,
        expected: files,
      },
    );
  return { source: path, path, fewShotPath: await firstOf(fewShotFiles.map((name) => join(place, name))) };
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if ((await kindOf(path)) === 'file') return path;
  return undefined;
}

async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : undefined;
  } catch {
    return undefined;
  }
}
