import { GateskipError } from '@gateskip/errors';

/** A file of training text or prompts cannot be read or breaks its format; `fields.what` and `fields.line` say where. */
export class TrainingTextInvalidError extends GateskipError {
  constructor(path: string, line: number | undefined, problem: string, remedy: string) {
    const place = line === undefined ? JSON.stringify(path) : `${JSON.stringify(path)}, line ${line}`;
    super('GS_TRAINING_TEXT_INVALID', `${place}: ${problem}.`, remedy, { what: path, ...(line !== undefined && { line }) });
  }
}

/** Too little text to train on and to hold some out. */
export class TrainingTextTooShortError extends GateskipError {
  constructor(sequences: number, tokens: number) {
    super(
      'GS_TRAINING_TEXT_TOO_SHORT',
      `The text makes ${sequences} sequences of ${tokens} tokens together; at least 2 are needed, one of them held out.`,
      'Give more text or shorter windows.',
      { what: 'training text', expected: 2, got: sequences },
    );
  }
}

/** The dense model gave NaN or infinity. */
export class TeacherNotFiniteError extends GateskipError {
  constructor(row: number, got: number) {
    super(
      'GS_TEACHER_NOT_FINITE',
      `The dense model's prediction at row ${row} of a sequence is not finite.`,
      'Check the model file; a model of half precision may overflow.',
      { what: 'teacher', row, got: String(got) },
    );
  }
}
