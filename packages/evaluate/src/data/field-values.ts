import type { DataValue } from './read-data-file.js';

export const MAX_CHOICES = 26;
export const MAX_TEXT = 1_000_000;

/** The value of a field, or of `outer.inner`; undefined where there is none. */
export function valueAt(value: DataValue, path: string): unknown {
  if (Object.hasOwn(value, path)) return value[path];
  let found: unknown = value;
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as DataValue)[name];
  }
  return found;
}

export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((part) => typeof part === 'string' && part.length <= MAX_TEXT);
}

export interface Choices {
  readonly texts: readonly string[];
  readonly labels: readonly string[] | undefined;
}

/** Texts, `{text: [...], label: [...]}`, or a list of `{text, label}`. @param fail is told what is wrong */
export function readChoices(value: unknown, field: string, fail: (problem: string) => never): Choices {
  const isObject = typeof value === 'object' && value !== null;
  const texts = isObject && !Array.isArray(value) ? (value as DataValue).text : (innerTexts(value, 'text') ?? value);
  const labels = isObject && !Array.isArray(value) ? (value as DataValue).label : innerTexts(value, 'label');
  if (!isTexts(texts) || texts.length < 2 || texts.length > MAX_CHOICES)
    return fail(`the field ${JSON.stringify(field)} is no list of 2 to ${MAX_CHOICES} texts`);
  if (labels !== undefined && (!isTexts(labels) || labels.length !== texts.length))
    return fail(`the field ${JSON.stringify(field)} has other labels than choices`);
  return { texts, labels };
}

/** Right texts: one, a list, `{text: [...]}`, or a list of `{text}`. Each once. */
export function readAnswers(value: unknown, field: string, fail: (problem: string) => never): readonly string[] {
  if (typeof value === 'string') return [value];
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const texts = isObject ? (value as DataValue).text : (innerTexts(value, 'text') ?? value);
  return isTexts(texts) ? [...new Set(texts)] : fail(`the field ${JSON.stringify(field)} is neither a text nor a list of texts`);
}

/** @returns -1 where it names no choice */
export function answerIndex(right: unknown, labels: readonly string[] | undefined, count: number, base: number): number {
  const text = typeof right === 'string' ? right.trim() : undefined;
  if (labels !== undefined && text !== undefined && labels.includes(text)) return labels.indexOf(text);
  let index = -1;
  if (typeof right === 'number') index = right - base;
  else if (text !== undefined && /^\d{1,3}$/.test(text)) index = Number(text) - base;
  else if (text !== undefined && /^[A-Z]$/.test(text)) index = text.charCodeAt(0) - 65;
  return Number.isInteger(index) && index >= 0 && index < count ? index : -1;
}

/** One field of every object in a list; undefined where it is no list of objects. */
function innerTexts(value: unknown, name: string): readonly unknown[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  if (!value.every((part) => typeof part === 'object' && part !== null && Object.hasOwn(part, name))) return undefined;
  return value.map((part) => (part as DataValue)[name]);
}
