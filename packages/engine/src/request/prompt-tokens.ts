import { InvalidArgumentError, UnsupportedError } from '@gateskip/errors';
import { encodeChat, type Model, type Tokenizer } from '@gateskip/model';
import type { ChatMessage, GenerateRequest } from '../api.js';
import { ContextOverflowError, PromptTooLongError } from '../errors.js';

/** No vocabulary comes near this many characters a token over a whole prompt: longer texts are refused unread. */
const maxCharactersPerToken = 256;

/**
 * The tokens of a request's prompt, bounded by the context; undefined where a chat template has to be rendered first
 * ({@link chatTokens}). Known at once, so that requests queue in order of arrival.
 *
 * @throws ContextOverflowError, PromptTooLongError, InvalidArgumentError (tokens outside the vocabulary, empty prompt
 *   without a begin token), UnsupportedError (text for a model without tokenizer)
 */
export function promptTokens(model: Model, request: GenerateRequest): Int32Array | undefined {
  if (request.tokens !== undefined) return givenTokens(model, request.tokens);
  if (request.prompt === undefined) return undefined;
  boundText(model, 'prompt', request.prompt.length);
  return checkLength(model, 'prompt', tokenizerOf(model, 'prompt').encode(wellFormed(request.prompt)));
}

/** The tokens of a conversation through the model's chat template, ready for the assistant's turn. */
export async function chatTokens(model: Model, messages: readonly ChatMessage[], signal: AbortSignal | undefined): Promise<Int32Array> {
  tokenizerOf(model, 'messages');
  const characters = messages.reduce((sum, message) => sum + message.content.length, 0);
  boundText(model, 'messages', characters);
  const clean = messages.map((message) => ({ ...message, content: wellFormed(message.content) }));
  return checkLength(model, 'messages', await encodeChat(model, clean, { addGenerationPrompt: true, ...(signal ? { signal } : {}) }));
}

function givenTokens(model: Model, given: ArrayLike<number>): Int32Array {
  const { contextLength, vocabularySize } = model.config;
  if (given.length > contextLength) throw new ContextOverflowError('tokens', given.length, 0, contextLength);
  const tokens = new Int32Array(given.length);
  for (let index = 0; index < given.length; index++) {
    const token = given[index];
    if (typeof token !== 'number' || !Number.isInteger(token) || token < 0 || token >= vocabularySize) {
      throw new InvalidArgumentError(`tokens[${index}] must be an integer from 0 to ${vocabularySize - 1}, got ${String(token)}.`, '', {
        what: `tokens[${index}]`,
        got: String(token),
      });
    }
    tokens[index] = token;
  }
  return checkLength(model, 'tokens', tokens);
}

function checkLength(model: Model, field: string, tokens: Int32Array): Int32Array {
  const { contextLength } = model.config;
  if (tokens.length > contextLength) throw new ContextOverflowError(field, tokens.length, 0, contextLength);
  if (tokens.length > 0) return tokens;
  const begin = model.tokenizer?.beginToken;
  if (begin === undefined) {
    throw new InvalidArgumentError(`${field} is empty and this model has no begin token to start from.`, 'Give at least one token.', {
      what: field,
      got: 'an empty prompt',
    });
  }
  return Int32Array.of(begin);
}

function tokenizerOf(model: Model, field: string): Tokenizer {
  if (model.tokenizer) return model.tokenizer;
  throw new UnsupportedError(`${field} is text, but the model "${model.config.name}" has no tokenizer.`, 'Give `tokens` instead.', {
    what: field,
  });
}

function boundText(model: Model, field: string, characters: number): void {
  const { contextLength } = model.config;
  const maxCharacters = contextLength * maxCharactersPerToken;
  if (characters > maxCharacters) throw new PromptTooLongError(field, characters, maxCharacters, contextLength);
}

/** Half a surrogate pair has no UTF-8 form; it becomes U+FFFD, as everywhere on the web. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD');
}
