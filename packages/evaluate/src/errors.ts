import { type ErrorFields, GateskipError } from '@gateskip/errors';

/** A task definition that cannot be used. */
export class TaskInvalidError extends GateskipError {
  constructor(name: string, problem: string, fields: ErrorFields = {}) {
    super(
      'GS_EVAL_TASK',
      `Task ${JSON.stringify(name)} is not valid: ${problem}.`,
      'Compare it with those of `gateskip eval tasks --json`.',
      {
        what: name,
        ...fields,
      },
    );
  }
}

/** No task has this name. */
export class UnknownTaskError extends GateskipError {
  constructor(name: string, known: readonly string[]) {
    super(
      'GS_EVAL_UNKNOWN_TASK',
      `There is no task ${JSON.stringify(name)}.`,
      `Known: ${known.join(', ')}; a .json file with an own task may be given too.`,
      {
        what: name,
        expected: known,
      },
    );
  }
}

/** Data of a task that is not there, or too large to be read. */
export class DataMissingError extends GateskipError {
  constructor(message: string, remedy: string, fields: ErrorFields = {}) {
    super('GS_EVAL_DATA', message, remedy, fields);
  }
}

/** Where a record stands in its file, from 1 on: a line, or a record of a JSON document. */
export interface RecordPlace {
  readonly unit: 'line' | 'record';
  readonly number: number;
}

/** A record that is not what its task expects; `fields.line` or `fields.record` says which. */
export class RecordInvalidError extends GateskipError {
  constructor(file: string, { unit, number }: RecordPlace, problem: string) {
    super(
      'GS_EVAL_RECORD',
      `${file}, ${unit} ${number}: ${problem}.`,
      'Repair the record, or name its fields in a task file of your own.',
      { what: file, [unit]: number },
    );
  }
}

/** A record in none of the layouts that its task knows; `fields.expected` says what was looked for, `fields.got` what is there. */
export class RecordLayoutError extends GateskipError {
  /** @param layouts what was looked for, by the name of the layout */
  constructor(file: string, { unit, number }: RecordPlace, layouts: Readonly<Record<string, readonly string[]>>, got: readonly string[]) {
    const looked = Object.entries(layouts).map(([name, fields]) => `${fields.map((field) => JSON.stringify(field)).join(', ')} (${name})`);
    const there = got.length > 0 ? got.map((field) => JSON.stringify(field)).join(', ') : 'none';
    super(
      'GS_EVAL_LAYOUT',
      `${file}, ${unit} ${number}: its fields are ${there}; looked for ${looked.join('; or ')}.`,
      'Is it data of this task? Others need a task file of your own that names their fields.',
      { what: file, [unit]: number, expected: layouts, got },
    );
  }
}

/** Programs that a model wrote cannot be run here. */
export class ProgramRunnerError extends GateskipError {
  constructor(message: string, remedy: string, fields: ErrorFields = {}) {
    super('GS_EVAL_EXECUTE', message, remedy, fields);
  }
}

/** A journal of another evaluation lies where this one wants to go on. */
export class JournalMismatchError extends GateskipError {
  constructor(path: string, problem: string) {
    super(
      'GS_EVAL_JOURNAL',
      `The journal ${path} cannot be continued: ${problem}.`,
      'Give another name for the results, or --force to begin anew.',
      { what: path },
    );
  }
}

/** Two results that must not be compared. */
export class ResultsMismatchError extends GateskipError {
  constructor(problem: string, fields: ErrorFields = {}) {
    super(
      'GS_EVAL_MISMATCH',
      `The results cannot be compared: ${problem}.`,
      'Evaluate both with the same tasks, data, limit, few-shot, chat and seed.',
      fields,
    );
  }
}

/** A file of results that is none. */
export class ResultsInvalidError extends GateskipError {
  constructor(path: string, problem: string) {
    super('GS_EVAL_RESULTS', `${path} holds no results of an evaluation: ${problem}.`, 'Make it with `gateskip eval MODEL --out FILE`.', {
      what: path,
    });
  }
}

/** A text that leaves nothing to score in the model's context. */
export class TextTooLongError extends GateskipError {
  constructor(what: string, tokens: number, contextLength: number) {
    super(
      'GS_EVAL_TOO_LONG',
      `${what} takes ${tokens} tokens, the model's context holds ${contextLength}.`,
      'Use a model with a longer context, or fewer examples.',
      {
        what,
        got: tokens,
        expected: contextLength,
      },
    );
  }
}

/** The model gave logits that are no numbers. */
export class LogitsNotFiniteError extends GateskipError {
  constructor(what: string) {
    super(
      'GS_EVAL_NOT_FINITE',
      `The logits for ${what} are not finite.`,
      'The model file may be damaged: `gateskip models` and `gateskip inspect` check it.',
      { what },
    );
  }
}
