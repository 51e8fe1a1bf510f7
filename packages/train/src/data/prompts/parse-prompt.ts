import { readMessage } from '../instruction-record.js';
import type { TrainingPrompt } from './training-prompt.js';

/** The prompt that a line holds, or what is wrong with it. */
export function parsePrompt(line: string): TrainingPrompt | string {
  if (!line.trimStart().startsWith('{')) return { kind: 'chat', messages: [{ role: 'user', content: line.trim() }] };
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch (error) {
    return `it is no JSON: ${(error as Error).message.slice(0, 120)}`;
  }
  if (Array.isArray(value.messages) && value.messages.length > 0) {
    try {
      return { kind: 'chat', messages: value.messages.map(readMessage) };
    } catch (error) {
      return (error as Error).message;
    }
  }
  if (typeof value.prompt === 'string') return { kind: 'chat', messages: [{ role: 'user', content: value.prompt }] };
  if (typeof value.text === 'string') return { kind: 'document', text: value.text };
  return 'it has neither "prompt" nor "messages" nor "text"';
}
