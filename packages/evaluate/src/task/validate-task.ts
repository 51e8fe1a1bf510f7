import { TaskInvalidError } from '../errors.js';
import type { EvaluationTask, MetricName, TaskKind } from './task.js';
import { COMPLETION, fieldsOf } from './template.js';

const METRICS: Readonly<Record<TaskKind, readonly MetricName[]>> = {
  choice: ['acc', 'acc_norm'],
  partial: ['acc'],
  'last-word': ['acc', 'perplexity'],
  generate: ['exact_strict', 'exact_flexible', 'em', 'f1', 'pass@1'],
};
const SCORED: Readonly<Record<string, readonly MetricName[]>> = {
  gsm8k: ['exact_strict', 'exact_flexible'],
  squad: ['em', 'f1'],
  python: ['pass@1'],
  none: [],
};
const KEYS = [
  'name',
  'description',
  'source',
  'kind',
  'data',
  'fields',
  'layouts',
  'frame',
  'prompt',
  'choiceForm',
  'delimiter',
  'fewShot',
  'metrics',
  'generation',
];
const MAX_TEXT = 16_384;
const MAX_LIST = 64;
const MAX_LAYOUTS = 8;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Checks a task that comes from outside.
 *
 * @throws TaskInvalidError
 */
export function validateTask(value: unknown): EvaluationTask {
  const task = value as Fields;
  const isObject = (item: unknown): item is Fields => typeof item === 'object' && item !== null && !Array.isArray(item);
  const shown = isObject(value) && typeof task.name === 'string' ? task.name.slice(0, 64) : 'without a name';
  const fail = (problem: string): never => {
    throw new TaskInvalidError(shown, problem);
  };
  const text = (item: unknown, what: string): string =>
    typeof item === 'string' && item.length <= MAX_TEXT ? item : fail(`${what} must be a text of at most ${MAX_TEXT} characters`);
  const texts = (item: unknown, what: string, least: number): readonly string[] => {
    if (!Array.isArray(item) || item.length < least || item.length > MAX_LIST)
      return fail(`${what} must be a list of ${least} to ${MAX_LIST} texts`);
    for (const part of item) text(part, what);
    return item as string[];
  };
  const known = (item: Fields, keys: readonly string[], what: string): void => {
    const odd = Object.keys(item).find((key) => !keys.includes(key));
    if (odd !== undefined) fail(`${what} has the unknown field ${JSON.stringify(odd.slice(0, 64))}; known are ${keys.join(', ')}`);
  };
  const whole = (item: unknown, what: string, low: number, high: number): void => {
    if (typeof item !== 'number' || !Number.isInteger(item) || item < low || item > high)
      fail(`${what} must be a whole number from ${low} to ${high}`);
  };

  if (!isObject(value)) return fail('it is no object');
  known(task, KEYS, 'it');
  if (typeof task.name !== 'string' || !/^[a-z0-9][a-z0-9_-]{0,63}$/.test(task.name)) fail('its name must be of a-z, 0-9, _ and -');
  text(task.description, 'description');
  text(task.source, 'source');
  text(task.prompt, 'prompt');
  if (task.delimiter !== undefined) text(task.delimiter, 'delimiter');
  const kind = task.kind as TaskKind;
  if (!Object.hasOwn(METRICS, String(task.kind))) fail(`kind must be one of ${Object.keys(METRICS).join(', ')}`);
  if (task.choiceForm !== undefined && task.choiceForm !== 'text' && task.choiceForm !== 'letter')
    fail('choiceForm must be text or letter');

  const { data, fields, fewShot, generation, frame } = task;
  if (!isObject(data)) return fail('data must be an object');
  known(data, ['files', 'fewShotFiles', 'expand', 'origin'], 'data');
  for (const file of [
    ...texts(data.files, 'data.files', 1),
    ...(data.fewShotFiles === undefined ? [] : texts(data.fewShotFiles, 'data.fewShotFiles', 1)),
  ])
    if (!/^[\w.-]+(\/[\w.-]+){0,7}$/.test(file) || file.split('/').includes('..')) fail(`${JSON.stringify(file)} is not a plain file name`);
  if (data.expand !== undefined) text(data.expand, 'data.expand');
  if (data.origin !== undefined) text(data.origin, 'data.origin');

  const fieldNames = (item: Fields, what: string): void => {
    if (Array.isArray(item.choices)) texts(item.choices, `${what}.choices`, 2);
    else if (item.choices !== undefined) text(item.choices, `${what}.choices`);
    if (item.answer !== undefined) text(item.answer, `${what}.answer`);
    if (item.answerBase !== undefined) whole(item.answerBase, `${what}.answerBase`, 0, 1);
    if ((kind === 'choice' || kind === 'partial') && (item.choices === undefined || item.answer === undefined))
      fail(`kind ${kind} needs ${what}.choices and ${what}.answer`);
  };
  if (!isObject(fields)) return fail('fields must be an object');
  known(fields, ['prompt', 'choices', 'answer', 'answerBase'], 'fields');
  text(fields.prompt, 'fields.prompt');
  fieldNames(fields, 'fields');
  const { layouts = [] } = task;
  if (!Array.isArray(layouts) || layouts.length > MAX_LAYOUTS) return fail(`layouts must be a list of at most ${MAX_LAYOUTS}`);
  for (const layout of layouts as unknown[]) {
    if (!isObject(layout)) return fail('a layout must be an object');
    known(layout, ['name', 'expand', 'prompt', 'choices', 'answer', 'answerBase', 'clean'], 'a layout');
    text(layout.name, 'layouts.name');
    text(layout.prompt, 'layouts.prompt');
    if (layout.expand !== undefined) texts(layout.expand, 'layouts.expand', 1);
    if (layout.clean !== undefined && layout.clean !== 'brackets') fail('layouts.clean must be brackets');
    fieldNames(layout, 'layouts');
  }
  if (frame !== undefined) {
    if (!isObject(frame)) return fail('frame must be an object');
    known(frame, ['prefix', 'suffix'], 'frame');
    text(frame.prefix, 'frame.prefix');
    text(frame.suffix, 'frame.suffix');
  }

  if (!isObject(fewShot)) return fail('fewShot must be an object');
  known(fewShot, ['count', 'order', 'groupField', 'separator', 'description'], 'fewShot');
  whole(fewShot.count, 'fewShot.count', 0, 64);
  if (fewShot.order !== 'sample' && fewShot.order !== 'first') fail('fewShot.order must be sample or first');
  for (const part of ['groupField', 'separator', 'description']) if (fewShot[part] !== undefined) text(fewShot[part], `fewShot.${part}`);

  const metrics = texts(task.metrics, 'metrics', kind === 'generate' ? 0 : 1);
  if (new Set(metrics).size < metrics.length) fail('metrics has a name twice');
  let possible = METRICS[kind];
  if (kind === 'generate') {
    if (!isObject(generation)) return fail('kind generate needs generation');
    known(generation, ['maxTokens', 'stop', 'score', 'program'], 'generation');
    whole(generation.maxTokens, 'generation.maxTokens', 1, 65_536);
    if (texts(generation.stop, 'generation.stop', 0).includes('')) fail('generation.stop holds an empty text');
    if (!Object.hasOwn(SCORED, String(generation.score))) fail(`generation.score must be one of ${Object.keys(SCORED).join(', ')}`);
    possible = SCORED[String(generation.score)] as readonly MetricName[];
    const isProgram = generation.score === 'python';
    if (isProgram) {
      if (text(generation.program, 'generation.program').split(COMPLETION).length !== 2)
        fail(`generation.program must hold one ${COMPLETION}`);
    } else if (generation.program !== undefined) fail('generation.program needs generation.score python');
    else if (generation.score !== 'none' && fields.answer === undefined) fail('a scored generation needs fields.answer');
  } else if (generation !== undefined) fail(`kind ${kind} takes no generation`);
  for (const metric of metrics)
    if (!possible.includes(metric as MetricName)) fail(`metric ${JSON.stringify(metric)} is not one of ${possible.join(', ') || 'none'}`);
  const templates = [task.prompt, fewShot.description, isObject(generation) ? generation.program : undefined];
  for (const template of [...templates, ...(layouts as readonly Fields[]).map(({ prompt }) => prompt)])
    try {
      fieldsOf(typeof template === 'string' ? template : '');
    } catch (error) {
      fail((error as Error).message);
    }
  return value as unknown as EvaluationTask;
}
