import type { Tokenizer } from '@gateskip/model';

export const begin = 256;
export const end = 257;
export const turn = 258;
const specials = ['<|begin|>', '<|end|>', '<|turn|>'];
/** Multi-byte tokens, some of which end inside a character. */
const pieces = ['the ', 'STOP', 'ST', 'OP!', [0xf0, 0x9f], [0x98, 0x80], [0xe2, 0x82], [0xac, 0x20], 'é'];
const encoder = new TextEncoder();

/** Bytes 0..255, three specials, then `pieces`: 268 ids. Encodes byte by byte. */
export const byteTokenizer: Tokenizer = {
  vocabularySize: 256 + specials.length + pieces.length,
  beginToken: begin,
  endToken: end,
  stopTokens: new Set([end, turn]),
  addBegin: true,
  encode(text, options = {}) {
    const ids: number[] = (options.addBegin ?? true) ? [begin] : [];
    let rest = text;
    while (rest !== '') {
      const special = options.special ? specials.findIndex((name) => rest.startsWith(name)) : -1;
      const part = special >= 0 ? (specials[special] as string) : String.fromCodePoint(rest.codePointAt(0) as number);
      if (special >= 0) ids.push(begin + special);
      else if (part !== options.plainMark) ids.push(...encoder.encode(part));
      rest = rest.slice(part.length);
    }
    return Int32Array.from(ids);
  },
  decode(ids, options = {}) {
    const bytes = Array.from(ids, (id) => [...byteTokenizer.tokenBytes(id, { special: options.skipSpecial === false })]).flat();
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  },
  tokenBytes(id, options = {}) {
    if (id < 256) return Uint8Array.of(id);
    if (id < 256 + specials.length) return options.special ? encoder.encode(specials[id - 256]) : new Uint8Array(0);
    const piece = pieces[id - 256 - specials.length] as string | number[];
    return typeof piece === 'string' ? encoder.encode(piece) : Uint8Array.from(piece);
  },
  isSpecial: (id) => id >= 256 && id < 256 + specials.length,
};
export const pieceToken = (index: number): number => 256 + specials.length + index;
