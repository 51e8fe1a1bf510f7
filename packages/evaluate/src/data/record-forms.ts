import { RecordInvalidError, RecordLayoutError } from '../errors.js';
import type { EvaluationTask, RecordLayout, TaskFields } from '../task/task.js';
import { fieldsOf } from '../task/template.js';
import { valueAt } from './field-values.js';
import type { DataRecord, DataValue } from './read-data-file.js';

/** One form in which a task's records come: its own, or a layout. */
export interface RecordForm {
  readonly name: string;
  readonly expand: readonly string[];
  readonly fields: Omit<TaskFields, 'prompt'>;
  /** Field that holds the prompt, or a template for it. */
  readonly prompt: { readonly field: string } | { readonly template: string };
  readonly clean: RecordLayout['clean'];
  /** Fields that tell it from others. */
  readonly marks: readonly string[];
}

/** A record with the outer fields of what it was taken out of. */
export interface ExpandedRecord {
  /** `7`, or `7.2` for the second of a list inside it. */
  readonly id: string;
  readonly value: DataValue;
}

const MOST_SHOWN_FIELDS = 32;

/** Every form that a task knows, its own first. */
export function formsOf(task: EvaluationTask): readonly RecordForm[] {
  const { fields, data, layouts = [], fewShot } = task;
  const group = fewShot.groupField === undefined ? [] : [fewShot.groupField];
  const marksOf = (prompt: readonly string[], { choices = [], answer }: Omit<TaskFields, 'prompt'>): readonly string[] => [
    ...new Set([...prompt, ...(typeof choices === 'string' ? [choices] : choices), ...(answer === undefined ? [] : [answer]), ...group]),
  ];
  return [
    {
      name: 'as prepared',
      expand: data.expand === undefined ? [] : [data.expand],
      fields,
      prompt: { field: fields.prompt },
      clean: undefined,
      marks: marksOf([fields.prompt], fields),
    },
    ...layouts.map(({ name, expand = [], prompt, clean, ...names }) => ({
      name,
      expand,
      fields: names,
      prompt: { template: prompt },
      clean,
      marks: marksOf(fieldsOf(prompt), names),
    })),
  ];
}

/**
 * The form of a record and the records in it. A task of a single form takes what comes: its fields are asked for where they
 * are read.
 *
 * @throws RecordLayoutError, RecordInvalidError
 */
export function formOf(
  forms: readonly RecordForm[],
  record: DataRecord,
  path: string,
): { readonly form: RecordForm; readonly records: readonly ExpandedRecord[] } {
  const { place, value } = record;
  for (const form of forms) {
    const records = expanded(form.expand, { id: String(place.number), value });
    if (typeof records === 'string') {
      if (forms.length > 1) continue;
      throw new RecordInvalidError(path, place, records);
    }
    const [first] = records;
    if (forms.length === 1 || first === undefined || form.marks.every((mark) => valueAt(first.value, mark) !== undefined))
      return { form, records };
  }
  const looked = Object.fromEntries(forms.map(({ name, expand, marks }) => [name, [...expand, ...marks]]));
  throw new RecordLayoutError(path, place, looked, Object.keys(value).slice(0, MOST_SHOWN_FIELDS));
}

/** Records inside a record; a text saying what is wrong where there is no list. */
function expanded([list, ...further]: readonly string[], { id, value }: ExpandedRecord): readonly ExpandedRecord[] | string {
  if (list === undefined) return [{ id, value }];
  const inner = valueAt(value, list);
  if (!Array.isArray(inner)) return `the field ${JSON.stringify(list)} is no list`;
  const records: ExpandedRecord[] = [];
  for (const [index, part] of (inner as unknown[]).entries()) {
    if (typeof part !== 'object' || part === null) return `${list}[${index}] is no object`;
    const found = expanded(further, { id: `${id}.${index + 1}`, value: { ...value, ...part } });
    if (typeof found === 'string') return found;
    records.push(...found);
  }
  return records;
}
