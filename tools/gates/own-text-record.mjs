const TURN = /<\|im_start\|>([^\n]+)\n([\s\S]*?)(?:<\|im_end\|>\n?|$)/g;

/**
 * A line of training text: the turns of a conversation that ends with an answer, or a document without special tokens.
 *
 * @param {string} text as the model saw it, marks of turns (`<|im_start|>role ... <|im_end|>`) included
 * @returns {{ messages: readonly { role: string, content: string }[] } | { text: string }}
 */
export function recordOf(text) {
  const messages = [...text.matchAll(TURN)].map(([, role = '', content = '']) => ({ role, content: content.trim() }));
  const last = messages.at(-1);
  return last?.role === 'assistant' && last.content !== '' ? { messages } : { text: text.replaceAll(/<\|[a-z_]+\|>/g, '').trim() };
}
