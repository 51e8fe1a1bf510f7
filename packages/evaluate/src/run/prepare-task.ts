import { readRecords, type TaskRecord } from '../data/read-records.js';
import { findTaskFiles } from '../data/task-files.js';
import { DataMissingError } from '../errors.js';
import { type BuildOptions, buildItems } from '../items/build-items.js';
import type { Examples } from '../items/few-shot.js';
import type { EvaluationItem } from '../items/item.js';
import { sampleIndices } from '../items/random.js';
import type { EvaluationTask } from '../task/task.js';

export interface PrepareOptions {
  readonly model: BuildOptions['model'];
  /** A folder that holds `<task>/<split>.jsonl` (or `.json`), or one file. */
  readonly data: string;
  /** What to call the data in results; default: the file. */
  readonly source?: string;
  /** Most items; default all. */
  readonly limit?: number;
  /** Which items a limit takes: a seeded sample (default), or the first ones. */
  readonly take?: 'sample' | 'first';
  /** Examples before each item; default the task's own. */
  readonly fewShot?: number;
  /** Wrap prompts in the model's chat template; default false. */
  readonly chat?: boolean;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** A task whose items are tokens. */
export interface PreparedTask {
  readonly task: EvaluationTask;
  readonly items: readonly EvaluationItem[];
  readonly source: string;
  readonly sha256: string;
  /** Records in the file. */
  readonly records: number;
  readonly fewShot: number;
  readonly chat: boolean;
}

/** Reads a task's data and makes tokens of them. @throws DataMissingError, RecordInvalidError, RecordLayoutError, UnsupportedError, TextTooLongError, AbortedError */
export async function prepareTask(task: EvaluationTask, options: PrepareOptions): Promise<PreparedTask> {
  const { model, data, limit, take = 'sample', fewShot = task.fewShot.count, chat = false, seed = 1, signal } = options;
  const files = await findTaskFiles(task, data);
  const { records, sha256 } = await readRecords(task, files.path);
  const examples = fewShot > 0 ? await readExamples(task, files.path, files.fewShotPath, records, fewShot) : undefined;
  const count = Math.min(limit ?? records.length, records.length);
  const chosen =
    take === 'first' ? records.slice(0, count) : sampleIndices(records.length, count, seed).map((index) => records[index] as TaskRecord);
  const items = await buildItems(task, chosen, { model, examples, fewShot, chat, seed, signal });
  return { task, items, source: options.source ?? files.source, sha256, records: records.length, fewShot, chat };
}

async function readExamples(
  task: EvaluationTask,
  path: string,
  fewShotPath: string | undefined,
  records: readonly TaskRecord[],
  count: number,
): Promise<Examples> {
  if (fewShotPath === path) return { records, isSameFile: true };
  if (fewShotPath === undefined) {
    const names = (task.data.fewShotFiles ?? task.data.files).join(' or ');
    throw new DataMissingError(
      `Task ${task.name} takes its ${count} examples from ${names}, which is not there.`,
      'Put it into the data folder, or give --few-shot 0.',
      {
        what: task.name,
        expected: task.data.fewShotFiles,
      },
    );
  }
  return { records: (await readRecords(task, fewShotPath)).records, isSameFile: false };
}
