import type { TaskRecord } from '../data/read-records.js';
import { DataMissingError } from '../errors.js';
import type { EvaluationTask } from '../task/task.js';
import { letterOf } from './letters.js';
import { seededRandom } from './random.js';

export interface Examples {
  readonly records: readonly TaskRecord[];
  /** Whether they come from the file that is evaluated: then an item is never its own example. */
  readonly isSameFile: boolean;
}

/** What stands before an item's own prompt: description and `count` solved examples. @throws DataMissingError */
export function fewShotPrefix(
  task: EvaluationTask,
  record: TaskRecord,
  examples: Examples | undefined,
  count: number,
  seed: number,
): string {
  if (count === 0) return record.description;
  const { order, separator = '\n\n', groupField } = task.fewShot;
  const fitting = (examples?.records ?? []).filter(
    (example) => (groupField === undefined || example.group === record.group) && !(examples?.isSameFile && example.id === record.id),
  );
  if (fitting.length < count)
    throw new DataMissingError(
      `Task ${task.name} needs ${count} examples${groupField === undefined ? '' : ` of ${groupField} "${record.group}"`}, ${fitting.length} are there.`,
      `Put ${task.data.fewShotFiles?.join(' or ') ?? 'more records'} into the data folder, or give --few-shot ${fitting.length}.`,
      { what: task.name, expected: count, got: fitting.length },
    );
  const chosen = order === 'first' ? fitting.slice(0, count) : shuffled(fitting, seed).slice(0, count);
  return `${record.description}${chosen.map((example) => solved(task, example) + separator).join('')}`;
}

/** Ordered by a draw for each record, so that leaving one out (an item that is its own example) moves no other. */
function shuffled(records: readonly TaskRecord[], seed: number): TaskRecord[] {
  return records
    .map((record) => ({ record, draw: seededRandom(seed ^ numberOf(record.id))() }))
    .sort((a, b) => a.draw - b.draw)
    .map(({ record }) => record);
}

function numberOf(id: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193) >>> 0;
  return hash;
}

function solved(task: EvaluationTask, record: TaskRecord): string {
  const { kind, delimiter = ' ' } = task;
  if (kind === 'last-word') return record.prompt;
  const right = record.choices[record.answer] ?? '';
  if (kind === 'partial') return record.prompt.replace('_', () => right);
  if (kind === 'choice') return `${record.prompt}${delimiter}${task.choiceForm === 'letter' ? letterOf(record.answer) : right}`;
  const answer = task.generation?.score === 'squad' ? (record.answers[0] ?? 'unanswerable') : (record.answers[0] ?? '');
  return `${record.prompt}${delimiter}${answer}`;
}
