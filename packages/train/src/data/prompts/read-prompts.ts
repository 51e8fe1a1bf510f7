import { AbortedError } from '@gateskip/errors';
import { TrainingTextInvalidError } from '../errors.js';
import { readLines } from '../utf8-file.js';
import { parsePrompt } from './parse-prompt.js';
import type { TrainingPrompt } from './training-prompt.js';

const MOST_FILE_BYTES = 268_435_456;
const MOST_LINE_CHARACTERS = 1_048_576;
const MOST_PROMPTS = 1_048_576;

/**
 * Prompts from a UTF-8 file: one a line. A line that begins with `{` is a JSON object: {prompt}, {messages: [{role,
 * content}]}, or {text} for the first words of a document; any other line is what a user asks. Empty lines do not count.
 *
 * @throws TrainingTextInvalidError naming file and line, AbortedError
 */
export async function readTrainingPrompts(path: string, signal?: AbortSignal): Promise<readonly TrainingPrompt[]> {
  const prompts: TrainingPrompt[] = [];
  for await (const { text, line } of readLines(path, { maxBytes: MOST_FILE_BYTES, maxCharacters: MOST_LINE_CHARACTERS, signal })) {
    if (text.trim() === '') continue;
    const prompt = parsePrompt(text);
    if (typeof prompt === 'string') {
      const remedy = 'Give a plain line, {"prompt": text}, {"messages": [{"role": ..., "content": ...}]} or {"text": text}.';
      throw new TrainingTextInvalidError(path, line, prompt, remedy);
    }
    prompts.push(prompt);
    if (prompts.length > MOST_PROMPTS)
      throw new TrainingTextInvalidError(path, line, `it has more than ${MOST_PROMPTS} prompts`, 'Give fewer.');
  }
  if (signal?.aborted) throw new AbortedError('Reading the prompts');
  if (prompts.length === 0) throw new TrainingTextInvalidError(path, undefined, 'it holds no prompt', 'Write one a line.');
  return prompts;
}
