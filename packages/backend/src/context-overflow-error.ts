import { GateskipError } from '@gateskip/errors';

/** A sequence would grow past the model's context; `fields` has the counts. */
export class ContextOverflowError extends GateskipError {
  constructor(sequence: number, length: number, added: number, contextLength: number) {
    super(
      'GS_CONTEXT_OVERFLOW',
      `Sequence ${sequence} has ${length} tokens and the step adds ${added}: the context holds ${contextLength}.`,
      `Send at most ${Math.max(0, contextLength - length)} more tokens, or truncate the sequence.`,
      { what: `sequence ${sequence}`, length, added, contextLength, expected: contextLength, got: length + added },
    );
  }
}
