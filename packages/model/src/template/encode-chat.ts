import { InvalidArgumentError } from '@gateskip/errors';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { type ChatMessage, type ChatModel, type RenderChatOptions, renderChat } from './render-chat.js';

/**
 * Renders messages with the model's template and encodes the result. Special tokens are read where the template wrote
 * them and nowhere else: a message that spells `<|im_start|>` stays plain text.
 *
 * How: inside messages, a mark that occurs nowhere else is put behind the first character of each spelled token before
 * rendering; the tokenizer drops the mark after it has looked for tokens.
 */
export async function encodeChat(model: ChatModel, messages: readonly ChatMessage[], options: RenderChatOptions = {}): Promise<Int32Array> {
  const { tokenizer } = model;
  if (!tokenizer) throw new InvalidArgumentError('The model has no tokenizer.');
  const json = JSON.stringify([messages, options.tools ?? null, model.chatTemplate ?? '']);
  const mark = unusedMark(json);
  const spelled = specialTexts(tokenizer).filter((text) => json.includes(JSON.stringify(text).slice(1, -1)));
  const guard = (value: unknown): unknown =>
    guardStrings(value, (text) => spelled.reduce((out, token) => out.replaceAll(token, `${token[0]}${mark}${token.slice(1)}`), text));
  const guarded = spelled.length === 0 ? messages : (guard(messages) as ChatMessage[]);
  const tools = options.tools && spelled.length > 0 ? { tools: guard(options.tools) as unknown[] } : {};
  const text = await renderChat(model, guarded, { ...options, ...tools });
  const ids = tokenizer.encode(text, { special: true, addBegin: false, plainMark: mark });
  const { beginToken, addBegin } = tokenizer;
  if (!addBegin || beginToken === undefined || ids[0] === beginToken) return ids;
  return Int32Array.of(beginToken, ...ids);
}

/** A noncharacter (U+FDD0 to U+FDEF: never assigned, for internal use) that the text does not hold. */
function unusedMark(text: string): string {
  for (let code = 0xfdd0; code <= 0xfdef; code++) {
    const mark = String.fromCharCode(code);
    if (!text.includes(mark)) return mark;
  }
  throw new InvalidArgumentError('The messages hold every Unicode noncharacter from U+FDD0 to U+FDEF.', 'Remove one of them.');
}

const cache = new WeakMap<Tokenizer, string[]>();

/** Texts of all special tokens, longest first. */
function specialTexts(tokenizer: Tokenizer): string[] {
  let texts = cache.get(tokenizer);
  if (!texts) {
    texts = [];
    for (let id = 0; id < tokenizer.vocabularySize; id++) {
      if (tokenizer.isSpecial(id)) texts.push(Buffer.from(tokenizer.tokenBytes(id, { special: true })).toString());
    }
    texts = texts.filter((text) => text.length > 1).sort((a, b) => b.length - a.length);
    cache.set(tokenizer, texts);
  }
  return texts;
}

function guardStrings(value: unknown, guard: (text: string) => string): unknown {
  if (typeof value === 'string') return guard(value);
  if (Array.isArray(value)) return value.map((item) => guardStrings(item, guard));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, guardStrings(item, guard)]));
}
