import type { EvaluationTask, PreparedTask, PrepareOptions } from '@gateskip/evaluate';
import { UsageError } from '../errors.js';
import type { Output } from '../output/output.js';
import { sourceProgress } from '../session/open-source.js';
import type { OpenModel } from '../session/with-model.js';

export interface EvalDataOptions {
  readonly tasks?: readonly string[];
  readonly data?: readonly string[];
  readonly limit?: number;
  readonly first?: boolean;
  readonly fewShot?: number;
  readonly chat?: boolean;
  readonly seed?: number;
  readonly offline?: boolean;
}

/** The tasks that were named, by name or by file. */
export async function tasksOf({ tasks: names = [] }: EvalDataOptions): Promise<readonly EvaluationTask[]> {
  const { readTask, taskNamed } = await import('@gateskip/evaluate');
  const tasks: EvaluationTask[] = [];
  for (const name of names) {
    const task = name.endsWith('.json') ? await readTask(name) : taskNamed(name);
    if (tasks.some((other) => other.name === task.name))
      throw new UsageError(`Task ${task.name} is named twice.`, 'Name each once.', { what: '--tasks' });
    tasks.push(task);
  }
  return tasks;
}

/** Reads the data of tasks, fetching what lies on the hub. */
export async function prepareTasks(
  tasks: readonly EvaluationTask[],
  options: EvalDataOptions,
  open: OpenModel,
  output: Output,
): Promise<PreparedTask[]> {
  const { prepareTask } = await import('@gateskip/evaluate');
  const places = placesOf(tasks, options.data ?? []);
  const { limit, first, fewShot, chat, seed } = options;
  const prepared: PreparedTask[] = [];
  for (const [index, task] of tasks.entries()) {
    const place = places.get(task.name) as string;
    const data = place.startsWith('hf:') ? await fetchData(place, options, output) : place;
    output.progress.report(`Reading ${task.name}`, index, tasks.length);
    const settings: PrepareOptions = {
      model: open.model,
      data,
      ...(data !== place && { source: place }),
      ...(limit !== undefined && { limit }),
      ...(first && { take: 'first' }),
      ...(fewShot !== undefined && { fewShot }),
      ...(chat && { chat }),
      ...(seed !== undefined && { seed }),
      signal: output.signal,
    };
    prepared.push(await prepareTask(task, settings));
  }
  return prepared;
}

/** Where each task's data lies. */
function placesOf(tasks: readonly EvaluationTask[], given: readonly string[]): ReadonlyMap<string, string> {
  const own = new Map<string, string>();
  let common: string | undefined;
  for (const text of given) {
    const match = /^([a-z0-9][a-z0-9_-]{0,63})=(.+)$/.exec(text);
    if (match) {
      const [, name, place] = match as unknown as [string, string, string];
      if (!tasks.some((task) => task.name === name))
        throw new UsageError(
          `--data ${text} names the task ${name}, which is not in --tasks.`,
          `There are ${tasks.map((task) => task.name).join(', ')}.`,
          { what: '--data' },
        );
      own.set(name, place);
    } else if (common !== undefined)
      throw new UsageError('--data names two places for all tasks.', 'Give one, and task=PLACE for others.', { what: '--data' });
    else common = text;
  }
  if (common?.startsWith('hf:') && tasks.length > 1)
    throw new UsageError('One hub file is no data for several tasks.', 'Give task=hf:... for each.', { what: '--data' });
  for (const { name } of tasks) {
    const place = own.get(name) ?? common;
    if (place === undefined)
      throw new UsageError(`There are no data for task ${name}.`, `Give --data FOLDER, or --data ${name}=FILE.`, { what: '--data' });
    own.set(name, place);
  }
  return own;
}

async function fetchData(reference: string, { offline }: EvalDataOptions, output: Output): Promise<string> {
  if (!/\.jsonl?$/.test(reference))
    throw new UsageError(
      `${reference} is no JSON Lines or JSON file.`,
      'Name a .jsonl or .json file of the data set; other forms are not read. Of those the datasets server gives pages: save them one a line.',
      { what: '--data' },
    );
  const { resolveDataFile } = await import('@gateskip/model');
  const { path } = await resolveDataFile(reference, {
    env: output.io.env,
    signal: output.signal,
    onProgress: sourceProgress(output),
    ...(offline && { offline }),
  });
  return path;
}
