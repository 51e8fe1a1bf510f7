import { type ErrorFields, GateskipError } from '@gateskip/errors';

/** The prompt, or the prompt and the tokens asked for, do not fit the model's context. */
export class ContextOverflowError extends GateskipError {
  constructor(field: string, promptTokens: number, maxTokens: number, contextLength: number) {
    const alone = promptTokens > contextLength;
    super(
      'GS_CONTEXT_OVERFLOW',
      alone
        ? `The prompt has ${promptTokens} tokens, the context holds ${contextLength}.`
        : `The prompt has ${promptTokens} tokens and maxTokens is ${maxTokens}: together ${promptTokens + maxTokens}, the context holds ${contextLength}.`,
      alone ? 'Shorten the prompt.' : `Ask for at most ${contextLength - promptTokens} tokens, or set overflow to "clamp".`,
      { what: field, promptTokens, maxTokens, contextLength },
    );
  }
}

/** A text is so long that no tokenization of it can fit the context; said before it is tokenized. */
export class PromptTooLongError extends GateskipError {
  constructor(field: string, characters: number, maxCharacters: number, contextLength: number) {
    super(
      'GS_CONTEXT_OVERFLOW',
      `${field} has ${characters} characters; a context of ${contextLength} tokens is given at most ${maxCharacters}.`,
      'Shorten the prompt.',
      { what: field, characters, maxCharacters, contextLength },
    );
  }
}

/** The model answered with NaN or infinite logits: broken weights, gates or scales. */
export class NonFiniteLogitsError extends GateskipError {
  constructor(position: number) {
    super(
      'GS_NON_FINITE_LOGITS',
      `The model gave logits that are not finite for position ${position}.`,
      'Check the model and adapter files; try dense (no budget) and another backend to find which is at fault.',
      { what: 'logits', position },
    );
  }
}

/** The backend failed in a way that has no type of its own; `cause` holds it. */
export class StepFailedError extends GateskipError {
  constructor(backend: string, cause: unknown, fields: ErrorFields = {}) {
    super(
      'GS_STEP_FAILED',
      `A step failed on backend "${backend}": ${cause instanceof Error ? cause.message : String(cause)}`,
      '',
      { what: backend, ...fields },
      { cause },
    );
  }
}
