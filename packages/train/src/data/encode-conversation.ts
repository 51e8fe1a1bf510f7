import type { ChatMessage } from '@gateskip/engine';
import { encodeChat, type Model, type Tokenizer } from '@gateskip/model';
import { RecordProblem } from './instruction-record.js';
import type { TrainingSequence } from './training-text.js';

/**
 * A conversation through the model's chat template. Rows that predict what the assistant says, the end of its turn
 * included, weigh 1, all others 0.
 *
 * What the assistant says is found by rendering the conversation up to each of its turns, once ready for an answer and once
 * with it: so no template has to be known.
 *
 * @throws RecordProblem, TemplateError, AbortedError
 */
export async function encodeConversation(
  model: Pick<Model, 'tokenizer' | 'chatTemplate' | 'config'>,
  messages: readonly ChatMessage[],
  signal?: AbortSignal,
): Promise<TrainingSequence> {
  const render = (count: number, addGenerationPrompt: boolean): Promise<Int32Array> =>
    encodeChat(
      model,
      messages.slice(0, count).map((message) => ({ ...message })),
      { addGenerationPrompt, ...(signal && { signal }) },
    );
  const { stopTokens } = model.tokenizer as Tokenizer;
  const all = await render(messages.length, false);
  const rowWeights = new Float32Array(all.length);
  let end = 0;
  for (const [turn, { role }] of messages.entries()) {
    if (role !== 'assistant' || turn === 0) continue;
    const start = commonLength(all, await render(turn, true));
    const behind = turn === messages.length - 1 ? all.length : commonLength(all, await render(turn + 1, false));
    end = endOfAnswer(all, start, behind, stopTokens);
    if (start < 1 || end <= start) {
      throw new RecordProblem(`the chat template shows nothing of message ${turn}, which is an answer`);
    }
    // Row i predicts token i + 1.
    rowWeights.fill(1, start - 1, end - 1);
  }
  // Behind the last answer a template may write more, such as a new line: nobody predicts that.
  return { tokens: all.slice(0, end), rowWeights: rowWeights.slice(0, end) };
}

/** Up to its first stop token, which belongs to it. */
function endOfAnswer(tokens: Int32Array, start: number, end: number, stopTokens: ReadonlySet<number>): number {
  for (let at = start; at < end; at++) if (stopTokens.has(tokens[at] as number)) return at + 1;
  return end;
}

function commonLength(a: Int32Array, b: Int32Array): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
