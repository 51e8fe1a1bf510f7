import { RecordInvalidError } from '../errors.js';
import { letterOf } from '../items/letters.js';
import type { EvaluationTask } from '../task/task.js';
import { fillTemplate } from '../task/template.js';
import { type JsonLine, readJsonLines } from './read-json-lines.js';

/** A record in the form that all tasks share. */
export interface TaskRecord {
  /** Line of its file, `7`, or `7.2` for the second of an expanded list. */
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
}

const MAX_CHOICES = 26;
const MAX_TEXT = 1_000_000;

/** @throws DataMissingError, RecordInvalidError */
export async function readRecords(task: EvaluationTask, path: string): Promise<{ records: readonly TaskRecord[]; sha256: string }> {
  const { lines, sha256 } = await readJsonLines(path);
  const { expand } = task.data;
  const records: TaskRecord[] = [];
  for (const { line, value } of lines) {
    if (expand === undefined) {
      records.push(readRecord(task, path, { line, value }, String(line)));
      continue;
    }
    const inner = value[expand];
    if (!Array.isArray(inner)) throw new RecordInvalidError(path, line, `the field ${JSON.stringify(expand)} is no list`);
    for (const [index, part] of inner.entries()) {
      if (typeof part !== 'object' || part === null) throw new RecordInvalidError(path, line, `${expand}[${index}] is no object`);
      records.push(readRecord(task, path, { line, value: { ...value, ...part } }, `${line}.${index + 1}`));
    }
  }
  return { records, sha256 };
}

function readRecord(task: EvaluationTask, path: string, { line, value }: JsonLine, id: string): TaskRecord {
  const fail = (problem: string): never => {
    throw new RecordInvalidError(path, line, problem);
  };
  const text = (field: string): string => {
    const found = value[field];
    if (typeof found !== 'string') return fail(`the field ${JSON.stringify(field)} is ${found === undefined ? 'missing' : 'no text'}`);
    return found.length <= MAX_TEXT
      ? found
      : fail(`the field ${JSON.stringify(field)} has ${found.length} characters, at most ${MAX_TEXT} are read`);
  };
  const { fields, frame, fewShot, kind } = task;
  const given = text(fields.prompt);
  const isFramed =
    frame !== undefined &&
    given.startsWith(frame.prefix) &&
    given.endsWith(frame.suffix) &&
    given.length >= frame.prefix.length + frame.suffix.length;
  const stem = isFramed ? given.slice(frame.prefix.length, given.length - frame.suffix.length) : given;
  const { choices, labels } =
    fields.choices === undefined ? { choices: [], labels: undefined } : readChoices(value, fields.choices, text, fail);
  let answer = -1;
  let answers: readonly string[] = [];
  if (fields.answer !== undefined) {
    const right = value[fields.answer];
    if (kind === 'generate')
      answers =
        typeof right === 'string'
          ? [right]
          : isTexts(right)
            ? right
            : fail(`the field ${JSON.stringify(fields.answer)} is neither a text nor a list of texts`);
    else answer = answerIndex(right, labels, choices.length, fields.answerBase ?? 0);
    if (kind !== 'generate' && answer < 0)
      fail(`the answer ${JSON.stringify(right) ?? 'is missing and'} names none of ${choices.length} choices`);
  }
  const textOf = (field: string): string | undefined => {
    if (field === 'prompt') return stem;
    if (field === 'choices') return choices.map((choice, index) => `${letterOf(index)}. ${choice}`).join('\n');
    const found = value[field];
    return typeof found === 'string' && found.length <= MAX_TEXT ? found : typeof found === 'number' ? String(found) : undefined;
  };
  const fill = (template: string): string => {
    try {
      return fillTemplate(template, textOf);
    } catch (error) {
      return fail((error as Error).message);
    }
  };
  if (kind === 'partial' && stem.split('_').length !== 2) fail('its prompt must hold one "_"');
  if (kind === 'last-word' && !/\S/.test(stem.trimEnd().slice(0, Math.max(0, stem.trimEnd().lastIndexOf(' ')))))
    fail('its text has no last word after a space');
  return {
    id,
    stem,
    choices,
    answer,
    answers,
    group: fewShot.groupField === undefined ? undefined : text(fewShot.groupField),
    description: fill(fewShot.description ?? ''),
    prompt: fill(task.prompt),
  };
}

function readChoices(
  value: JsonLine['value'],
  field: string | readonly string[],
  text: (field: string) => string,
  fail: (problem: string) => never,
): { choices: readonly string[]; labels: readonly string[] | undefined } {
  if (typeof field !== 'string') return { choices: field.map(text), labels: undefined };
  const found = value[field];
  // As ARC, OpenBookQA and CommonsenseQA have it on the hub.
  const isLabelled = typeof found === 'object' && found !== null && !Array.isArray(found);
  const choices = isLabelled ? (found as { text?: unknown }).text : found;
  const labels = isLabelled ? (found as { label?: unknown }).label : undefined;
  if (!isTexts(choices) || choices.length < 2 || choices.length > MAX_CHOICES)
    return fail(`the field ${JSON.stringify(field)} is no list of 2 to ${MAX_CHOICES} texts`);
  if (choices.includes('')) return fail(`the field ${JSON.stringify(field)} holds an empty choice`);
  if (labels !== undefined && (!isTexts(labels) || labels.length !== choices.length))
    return fail(`the field ${JSON.stringify(field)} has other labels than choices`);
  return { choices, labels: labels as readonly string[] | undefined };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((part) => typeof part === 'string' && part.length <= MAX_TEXT);
}

/** -1 where it names no choice. */
function answerIndex(right: unknown, labels: readonly string[] | undefined, count: number, base: number): number {
  if (labels !== undefined && typeof right === 'string' && labels.includes(right)) return labels.indexOf(right);
  let index = -1;
  if (typeof right === 'number') index = right - base;
  else if (typeof right === 'string' && /^\d{1,3}$/.test(right)) index = Number(right) - base;
  else if (typeof right === 'string' && /^[A-Z]$/.test(right)) index = right.charCodeAt(0) - 65;
  return Number.isInteger(index) && index >= 0 && index < count ? index : -1;
}
