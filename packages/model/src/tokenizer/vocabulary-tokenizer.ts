import { InvalidArgumentError } from '@gateskip/errors';
import type { Tokenizer } from './tokenizer.js';

/** What differs between kinds of vocabulary; the rest of a tokenizer is the same for all. */
export interface TokenizerParts {
  readonly vocabularySize: number;
  /** Undefined outside of the vocabulary. */
  tokenText(id: number): string | undefined;
  /** Tokens that a text never produces and a reader never sees: control tokens, unknown. */
  readonly special: ReadonlySet<number>;
  /** Added by people as whole words: found in any text before it is cut, shown as they are. */
  readonly userDefined: ReadonlySet<number>;
  readonly beginToken: number | undefined;
  readonly endToken: number | undefined;
  readonly stopTokens: ReadonlySet<number>;
  readonly addBegin: boolean;
  /** Appends the ids of text that holds no special tokens. `isStart`: nothing but the begin token stands before it. */
  encodePlain(text: string, isStart: boolean, out: number[]): void;
  /** Exact bytes of a token that is not special. */
  bytesOf(id: number): Uint8Array;
  /** Takes back what `encodePlain` put in front of a text. */
  trimDecoded?(text: string): string;
}

/** Longest text of one call, in UTF-16 units. */
const maxTextLength = 64 * 1024 * 1024;

export function createTokenizer(parts: TokenizerParts): Tokenizer {
  const { vocabularySize, tokenText, special, userDefined } = parts;
  const utf8 = new TextEncoder();
  const byLength = (ids: Iterable<number>): readonly (readonly [string, number])[] =>
    [...ids]
      .map((id) => [tokenText(id) ?? '', id] as const)
      .filter(([text]) => text !== '')
      .sort(([a], [b]) => b.length - a.length);
  const whenPlain = byLength(userDefined);
  const whenSpecial = byLength([...special, ...userDefined]);
  const tokenBytes: Tokenizer['tokenBytes'] = (id, options = {}) => {
    const token = tokenText(id);
    if (token === undefined) throw new InvalidArgumentError(`Token ${id} is outside the vocabulary of ${vocabularySize}.`);
    if (special.has(id)) return options.special ? utf8.encode(token) : new Uint8Array();
    return userDefined.has(id) ? utf8.encode(token) : parts.bytesOf(id);
  };
  return {
    vocabularySize,
    beginToken: parts.beginToken,
    endToken: parts.endToken,
    stopTokens: parts.stopTokens,
    addBegin: parts.addBegin,
    tokenBytes,
    isSpecial: (id) => special.has(id),
    encode(text, options = {}) {
      if (typeof text !== 'string') throw new InvalidArgumentError(`Only a string can be encoded, got ${typeof text}.`);
      if (text.length > maxTextLength)
        throw new InvalidArgumentError(`The text has ${text.length} characters, at most ${maxTextLength} are taken.`);
      const out: number[] = [];
      if ((options.addBegin ?? parts.addBegin) && parts.beginToken !== undefined) out.push(parts.beginToken);
      // A lone surrogate has no UTF-8: it is read as U+FFFD, like everywhere on the web.
      const whole = text.replace(/\p{Surrogate}/gu, '\ufffd');
      let isStart = true;
      for (const fragment of splitAtTokens(whole, options.special ? whenSpecial : whenPlain)) {
        if (typeof fragment === 'number') out.push(fragment);
        else parts.encodePlain(options.plainMark ? fragment.replaceAll(options.plainMark, '') : fragment, isStart, out);
        isStart = false;
      }
      return Int32Array.from(out);
    },
    decode(ids, options = {}) {
      const showSpecial = options.skipSpecial === false;
      const pieces = Array.from({ length: ids.length }, (_, i) => tokenBytes(ids[i] as number, { special: showSpecial }));
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(pieces));
      return parts.trimDecoded ? parts.trimDecoded(text) : text;
    },
  };
}

/** Cuts a text at whole tokens: the longest token first over the whole text, each from left to right, as llama.cpp does. */
function splitAtTokens(text: string, wanted: readonly (readonly [string, number])[]): (string | number)[] {
  let fragments: (string | number)[] = text === '' ? [] : [text];
  for (const [token, id] of wanted) {
    if (!text.includes(token)) continue;
    const cut: (string | number)[] = [];
    for (const fragment of fragments) {
      if (typeof fragment === 'number') {
        cut.push(fragment);
        continue;
      }
      let from = 0;
      for (let at = fragment.indexOf(token); at >= 0; at = fragment.indexOf(token, from)) {
        if (at > from) cut.push(fragment.slice(from, at));
        cut.push(id);
        from = at + token.length;
      }
      if (from < fragment.length) cut.push(from === 0 ? fragment : fragment.slice(from));
    }
    fragments = cut;
  }
  return fragments;
}
