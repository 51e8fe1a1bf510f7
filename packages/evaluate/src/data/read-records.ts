import { RecordInvalidError, type RecordPlace } from '../errors.js';
import { letterOf } from '../items/letters.js';
import type { EvaluationTask } from '../task/task.js';
import { COMPLETION, fillTemplate } from '../task/template.js';
import { cleanBrackets } from './clean-brackets.js';
import { answerIndex, type Choices, MAX_TEXT, readAnswers, readChoices, valueAt } from './field-values.js';
import { readDataFile } from './read-data-file.js';
import { type ExpandedRecord, formOf, formsOf, type RecordForm } from './record-forms.js';

/** What stands around a completion in the program that tests it. */
export interface ProgramFrame {
  readonly before: string;
  readonly after: string;
}

/** A record in the form that all tasks share. */
export interface TaskRecord {
  /** Its place in its file, `7`, or `7.2` for the second of an expanded list. */
  readonly id: string;
  /** The prompt field without its frame. */
  readonly stem: string;
  readonly choices: readonly string[];
  /** Index of the right choice; -1 where the task has none. */
  readonly answer: number;
  /** Right texts of a generation; empty where the task has none. */
  readonly answers: readonly string[];
  /** Value of `fewShot.groupField`. */
  readonly group: string | undefined;
  readonly description: string;
  /** The filled prompt template, without examples. */
  readonly prompt: string;
  readonly program: ProgramFrame | undefined;
}

/** @throws DataMissingError, RecordInvalidError, RecordLayoutError */
export async function readRecords(task: EvaluationTask, path: string): Promise<{ records: readonly TaskRecord[]; sha256: string }> {
  const { records: raw, sha256 } = await readDataFile(path);
  const forms = formsOf(task);
  const records: TaskRecord[] = [];
  for (const outer of raw) {
    const { form, records: inner } = formOf(forms, outer, path);
    for (const record of inner) records.push(readRecord(task, form, path, outer.place, record));
  }
  return { records, sha256 };
}

function readRecord(task: EvaluationTask, form: RecordForm, path: string, place: RecordPlace, { id, value }: ExpandedRecord): TaskRecord {
  const fail = (problem: string): never => {
    throw new RecordInvalidError(path, place, problem);
  };
  const text = (field: string): string => {
    const found = valueAt(value, field);
    if (typeof found !== 'string') return fail(`the field ${JSON.stringify(field)} is ${found === undefined ? 'missing' : 'no text'}`);
    return found.length <= MAX_TEXT
      ? found
      : fail(`the field ${JSON.stringify(field)} has ${found.length} characters, at most ${MAX_TEXT} are read`);
  };
  const fill = (template: string, textOf: (field: string) => string | undefined): string => {
    try {
      return fillTemplate(template, textOf);
    } catch (error) {
      return fail((error as Error).message);
    }
  };
  const clean = form.clean === 'brackets' ? cleanBrackets : (part: string): string => part;
  const { kind, fewShot, generation } = task;
  const given = clean('field' in form.prompt ? text(form.prompt.field) : fill(form.prompt.template, text));
  const stem = withoutFrame(given, task.frame);
  const { choices: named, answer: answerField, answerBase = 0 } = form.fields;
  let found: Choices = { texts: [], labels: undefined };
  if (typeof named === 'string') found = readChoices(valueAt(value, named), named, fail);
  else if (named !== undefined) found = { texts: named.map(text), labels: undefined };
  const choices = found.texts.map(clean);
  if (choices.includes('')) fail(`the field ${JSON.stringify(named)} holds an empty choice`);
  let answer = -1;
  let answers: readonly string[] = [];
  if (answerField !== undefined) {
    const right = valueAt(value, answerField);
    if (kind === 'generate') answers = readAnswers(right, answerField, fail);
    else answer = answerIndex(right, found.labels, choices.length, answerBase);
    if (kind !== 'generate' && answer < 0)
      fail(`the answer ${JSON.stringify(right) ?? 'is missing and'} names none of ${choices.length} choices`);
  }
  const textOf = (field: string): string | undefined => {
    if (field === 'prompt') return stem;
    if (field === 'choices') return choices.map((choice, index) => `${letterOf(index)}. ${choice}`).join('\n');
    const other = valueAt(value, field);
    return typeof other === 'string' && other.length <= MAX_TEXT ? other : typeof other === 'number' ? String(other) : undefined;
  };
  if (kind === 'partial' && stem.split('_').length !== 2) fail('its prompt must hold one "_"');
  if (kind === 'last-word' && !/\S/.test(stem.trimEnd().slice(0, Math.max(0, stem.trimEnd().lastIndexOf(' ')))))
    fail('its text has no last word after a space');
  const [before, after] = (generation?.program ?? '').split(COMPLETION);
  return {
    id,
    stem,
    choices,
    answer,
    answers,
    group: fewShot.groupField === undefined ? undefined : text(fewShot.groupField),
    description: fill(fewShot.description ?? '', textOf),
    prompt: fill(task.prompt, textOf),
    program: before === undefined || after === undefined ? undefined : { before: fill(before, textOf), after: fill(after, textOf) },
  };
}

function withoutFrame(given: string, frame: EvaluationTask['frame']): string {
  if (frame === undefined) return given;
  const { prefix, suffix } = frame;
  const isFramed = given.startsWith(prefix) && given.endsWith(suffix) && given.length >= prefix.length + suffix.length;
  return isFramed ? given.slice(prefix.length, given.length - suffix.length) : given;
}
