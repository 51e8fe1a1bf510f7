import { InvalidArgumentError } from '@gateskip/errors';
import { TemplateError } from '../errors.js';
import type { Model } from '../model.js';
import { renderInWorker } from './template-worker.js';

/** One turn. Templates may read more fields than these (`tool_calls`, `name`): they are passed on. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

export interface RenderChatOptions {
  /** End with the opening of the assistant's turn, so that the model answers; default true. */
  readonly addGenerationPrompt?: boolean;
  /** Descriptions of tools, for templates that print them. */
  readonly tools?: readonly unknown[];
  /** Default 2000. */
  readonly timeoutMs?: number;
  /** Default 1 MiB of characters. */
  readonly maxOutput?: number;
  readonly signal?: AbortSignal;
}

/** The part of a model that a chat needs. */
export type ChatModel = Pick<Model, 'chatTemplate' | 'tokenizer' | 'config'>;

const maxSource = 256 * 1024;
const maxContext = 8 * 1024 * 1024;
const maxMessages = 10_000;
const defaultTimeoutMs = 2000;
const defaultMaxOutput = 1024 * 1024;

/**
 * Renders messages with a model's chat template (or a template's source) in a thread with limits on time, memory and output.
 *
 * Do not encode the result with `special: true` where messages come from outside: text that spells a special token would
 * become one. {@link encodeChat} is made for that.
 * @throws TemplateError
 */
export async function renderChat(
  template: string | ChatModel,
  messages: readonly ChatMessage[],
  options: RenderChatOptions = {},
): Promise<string> {
  const source = typeof template === 'string' ? template : template.chatTemplate;
  if (source === undefined) {
    const name = typeof template === 'string' ? 'This' : `Model "${template.config.name}"`;
    throw new TemplateError(`${name} has no chat template.`, 'Use `encode` with a plain prompt, or give a template.');
  }
  if (source.length > maxSource)
    throw new TemplateError(`The chat template has ${source.length} characters, at most ${maxSource} are run.`);
  if (!Array.isArray(messages) || messages.length === 0) throw new InvalidArgumentError('A chat needs at least one message.');
  if (messages.length > maxMessages)
    throw new InvalidArgumentError(`The chat has ${messages.length} messages, at most ${maxMessages} are taken.`);
  for (const [i, message] of messages.entries()) {
    if (typeof message?.role !== 'string')
      throw new InvalidArgumentError(`Message ${i} has no role.`, 'Give each message a "role" and a "content".');
  }
  const { addGenerationPrompt = true, tools, timeoutMs = defaultTimeoutMs, maxOutput = defaultMaxOutput, signal } = options;
  const context = JSON.stringify({
    messages,
    add_generation_prompt: addGenerationPrompt,
    ...(tools ? { tools } : {}),
    ...(typeof template === 'string' ? {} : namedTokens(template)),
  });
  if (context.length > maxContext)
    throw new TemplateError(`The messages take ${context.length} characters, at most ${maxContext} are rendered.`, 'Send less.');
  return renderInWorker({ source, context, maxOutput, timeoutMs, signal });
}

function namedTokens({ tokenizer }: ChatModel): Record<string, string> {
  const text = (id: number | undefined): string =>
    id === undefined || !tokenizer ? '' : Buffer.from(tokenizer.tokenBytes(id, { special: true })).toString();
  return { bos_token: text(tokenizer?.beginToken), eos_token: text(tokenizer?.endToken) };
}
