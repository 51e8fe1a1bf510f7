import { InvalidArgumentError } from '@gateskip/errors';
import type { Tokenizer } from '@gateskip/model';

/** Stands for the literal with number 0; the others follow. */
const firstMark = 0x100000;

/** Message contents that are safe to put through a chat template, and how to encode what comes out. */
export interface LiteralSpecials {
  readonly contents: readonly string[];
  encode(rendered: string): Int32Array;
}

/**
 * A rendered chat prompt is read with special tokens on, for the template's own `<|im_start|>`. A user who writes
 * `<|im_end|>` must not end his turn with it: such strings travel through the template as private-use marks and are
 * encoded as plain text afterwards.
 */
export function literalSpecials(tokenizer: Tokenizer, contents: readonly string[]): LiteralSpecials {
  const texts = new Set<string>();
  for (const content of contents) {
    for (const id of tokenizer.encode(content, { special: true, addBegin: false })) {
      if (!tokenizer.isSpecial(id)) continue;
      const text = new TextDecoder().decode(tokenizer.tokenBytes(id, { special: true }));
      if (text !== '' && content.includes(text)) texts.add(text);
    }
  }
  if (texts.size === 0) {
    return { contents, encode: (rendered) => tokenizer.encode(rendered, { special: true, addBegin: false }) };
  }
  // The longest first, so that a special that holds another one is taken whole.
  const literals = [...texts].sort((a, b) => b.length - a.length);
  const fence = unusedFence(contents);
  const guarded = contents.map((content) =>
    literals.reduce((text, literal, index) => text.replaceAll(literal, `${fence}${String.fromCodePoint(firstMark + index)}`), content),
  );
  const encode = (rendered: string): Int32Array => {
    const ids: number[] = [];
    rendered.split(fence).forEach((part, index) => {
      let rest = part;
      if (index > 0) {
        const mark = part.codePointAt(0) ?? 0;
        rest = part.slice(2);
        for (const id of tokenizer.encode(literals[mark - firstMark] ?? '', { special: false, addBegin: false })) ids.push(id);
      }
      if (rest !== '') for (const id of tokenizer.encode(rest, { special: true, addBegin: false })) ids.push(id);
    });
    return Int32Array.from(ids);
  };
  return { contents: guarded, encode };
}

/** A private-use character that none of the texts has. */
function unusedFence(contents: readonly string[]): string {
  for (let codePoint = 0xf0000; codePoint < 0xffffe; codePoint++) {
    const character = String.fromCodePoint(codePoint);
    if (!contents.some((content) => content.includes(character))) return character;
  }
  throw new InvalidArgumentError('messages hold every private-use character of plane 15.', 'Remove some.', { what: 'messages' });
}
