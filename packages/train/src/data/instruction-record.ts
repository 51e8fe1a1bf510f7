import type { ChatMessage } from '@gateskip/engine';

/** What a line of a JSONL file says. */
export type InstructionRecord =
  | { readonly kind: 'text'; readonly text: string }
  /** Ends with a message of the assistant. */
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] };

/** Layouts that are read, for error messages. */
export const RECORD_LAYOUTS =
  '{messages: [{role, content}]}, {prompt, response} or {prompt, completion}, {instruction, input, output}, {question, answer}, {text}';

const MOST_MESSAGES = 256;
const MOST_ROLE_CHARACTERS = 64;

/** Why a line is no record; the reader adds file and line. */
export class RecordProblem extends Error {}

/** @throws RecordProblem */
export function parseRecord(line: string): InstructionRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new RecordProblem(`it is no JSON: ${(error as Error).message.slice(0, 120)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RecordProblem('it is no JSON object');
  const record = value as Readonly<Record<string, unknown>>;
  const has = (field: string): boolean => Object.hasOwn(record, field);
  if (has('messages')) return { kind: 'chat', messages: readMessages(record.messages) };
  if (has('instruction') && has('output')) {
    const instruction = text(record, 'instruction');
    const input = has('input') && record.input !== null ? text(record, 'input') : '';
    return asked(input.trim() === '' ? instruction : `${instruction}\n\n${input}`, text(record, 'output'), 'output');
  }
  const pairs = [
    ['prompt', 'response'],
    ['prompt', 'completion'],
    ['question', 'answer'],
  ] as const;
  for (const [question, answer] of pairs) {
    if (has(question) && has(answer)) return asked(text(record, question), text(record, answer), answer);
  }
  if (has('text')) return { kind: 'text', text: text(record, 'text') };
  const names = Object.keys(record)
    .slice(0, 8)
    .map((name) => JSON.stringify(name.slice(0, 40)));
  throw new RecordProblem(`its fields are of no known layout (${names.join(', ') || 'it has none'})`);
}

function asked(question: string, answer: string, field: string): InstructionRecord {
  if (answer.trim() === '') throw new RecordProblem(`the field ${JSON.stringify(field)} is empty`);
  return {
    kind: 'chat',
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  };
}

function text(record: Readonly<Record<string, unknown>>, field: string): string {
  const value = record[field];
  if (typeof value !== 'string') throw new RecordProblem(`the field ${JSON.stringify(field)} is ${kindOf(value)}, not a text`);
  return value;
}

function readMessages(value: unknown): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0) throw new RecordProblem('the field "messages" is no list of messages');
  if (value.length > MOST_MESSAGES) throw new RecordProblem(`it has ${value.length} messages, at most ${MOST_MESSAGES} are read`);
  const messages = value.map(readMessage);
  // Nothing is learned from what stands behind the last answer.
  const last = messages.findLastIndex(({ role }) => role === 'assistant');
  if (last < 0) throw new RecordProblem('none of its messages is of the role "assistant"');
  if (last === 0) throw new RecordProblem('its only answer has no message before it');
  return messages.slice(0, last + 1);
}

/** @throws RecordProblem */
export function readMessage(message: unknown, index: number): ChatMessage {
  if (typeof message !== 'object' || message === null) throw new RecordProblem(`message ${index} is ${kindOf(message)}`);
  const { role, content } = message as Readonly<Record<string, unknown>>;
  if (typeof role !== 'string' || role === '' || role.length > MOST_ROLE_CHARACTERS)
    throw new RecordProblem(`the role of message ${index} is ${typeof role === 'string' ? 'empty or too long' : kindOf(role)}`);
  if (typeof content !== 'string') throw new RecordProblem(`the content of message ${index} is ${kindOf(content)}, not a text`);
  return { role, content };
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'missing';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
