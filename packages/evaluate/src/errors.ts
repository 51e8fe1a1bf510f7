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

/** A record that is not what its task expects; `fields.line` says which. */
export class RecordInvalidError extends GateskipError {
  constructor(file: string, line: number, problem: string) {
    super('GS_EVAL_RECORD', `${file}, line ${line}: ${problem}.`, 'Repair the record, or name its fields in a task file of your own.', {
      what: file,
      line,
    });
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
