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
 * Finds a task's files: `place` is a folder that holds `<task>/<split>.jsonl` (or `.json`), or one file. Beside a single
 * file examples are looked for under the names that the task knows.
 *
 * @throws DataMissingError
 */
export async function findTaskFiles(task: EvaluationTask, place: string): Promise<TaskFiles> {
  const kind = await kindOf(place);
  if (kind === undefined)
    throw new DataMissingError(`There is no ${place}.`, 'Give a folder with <task>/<split>.jsonl, or a file.', { what: place });
  const { files, fewShotFiles = files } = task.data;
  if (kind === 'file') {
    const folder = dirname(place);
    return {
      source: place,
      path: place,
      fewShotPath: await firstOf(
        folder,
        fewShotFiles.map((name) => basename(name)),
      ),
    };
  }
  const path = await firstOf(place, files);
  if (path === undefined)
    throw new DataMissingError(
      `${place} has no data for task ${task.name}: looked for ${files.join(', ')}, or .json.`,
      `Put them there, or give --data ${task.name}=FILE.`,
      {
        what: task.name,
        expected: files,
      },
    );
  return { source: path, path, fewShotPath: await firstOf(place, fewShotFiles) };
}

async function firstOf(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names.flatMap((each) => [each, each.replace(/\.jsonl$/, '.json')])) {
    const path = join(folder, name);
    if ((await kindOf(path)) === 'file') return path;
  }
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
