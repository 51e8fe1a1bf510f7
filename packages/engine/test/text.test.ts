import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStrings } from '../src/text/stop-strings.js';
import { TextAssembler } from '../src/text/text-assembler.js';
import { TokenTexts } from '../src/text/token-texts.js';
import { Utf8Stream } from '../src/text/utf8-stream.js';
import { byteTokenizer } from './fake-tokenizer.js';

/** Text of few different characters, so that stop strings are met often; some take several bytes or two code units. */
const texts = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'é', '€', '😀', '\u2028', '\uFEFF'), { maxLength: 30 })
  .map((parts) => parts.join(''));
const stops = fc.array(
  texts.filter((text) => text !== ''),
  { maxLength: 4 },
);

function cut<T extends { slice(start: number, end?: number): T; length: number }>(whole: T, at: readonly number[]): T[] {
  const places = [0, ...at.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return places.slice(1).map((place, index) => whole.slice(places[index] as number, place));
}

/** The definition, character by character: the first end at which a stop string is complete, its longest match. */
function before(text: string, stop: readonly string[]): { text: string; found: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const found = stop.filter((candidate) => text.slice(0, end).endsWith(candidate)).sort((a, b) => b.length - a.length)[0];
    if (found !== undefined) return { text: text.slice(0, end - found.length), found };
  }
  return { text, found: undefined };
}

describe('Utf8Stream', () => {
  it('gives the same text however the bytes are cut, broken bytes included', () => {
    const bytes = fc.oneof(
      texts.map((text) => new TextEncoder().encode(text)),
      fc.uint8Array({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 10 }), (all, at) => {
        const stream = new Utf8Stream();
        const pieces = cut(all, at).map((piece) => stream.push(piece));
        const streamed = pieces.join('') + stream.flush();
        expect(streamed).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(all));
        for (const piece of pieces) expect(piece).not.toMatch(/\p{Surrogate}/u);
      }),
    );
  });

  it('holds back an unfinished character and gives it whole', () => {
    const stream = new Utf8Stream();
    expect([[0x61, 0xf0], [0x9f, 0x98], [0x80, 0x62], [0xe2]].map((bytes) => stream.push(Uint8Array.from(bytes)))).toEqual([
      'a',
      '',
      '😀b',
      '',
    ]);
    expect(stream.flush()).toBe('\uFFFD');
  });
});

describe('TextAssembler', () => {
  it('gives what decoding all tokens at once gives, kept texts and broken characters included', () => {
    const tokens = new TokenTexts(byteTokenizer);
    const ids = fc.array(fc.nat({ max: byteTokenizer.vocabularySize - 1 }), { maxLength: 40 });
    fc.assert(
      fc.property(ids, (all) => {
        const assembler = new TextAssembler(tokens, []);
        const pieces = all.map((token) => assembler.push(token));
        pieces.push(assembler.flush());
        expect(pieces.join('')).toBe(byteTokenizer.decode(all, { skipSpecial: true }));
        expect(assembler.text).toBe(pieces.join(''));
        for (const piece of pieces) expect(piece).not.toMatch(/\p{Surrogate}/u);
      }),
      { numRuns: 500 },
    );
  });
});

describe('StopStrings', () => {
  it('ends before the first complete stop string, however the text is cut', () => {
    fc.assert(
      fc.property(texts, stops, fc.array(fc.nat(), { maxLength: 10 }), (text, stop, at) => {
        const finder = new StopStrings(stop);
        const released = cut(text, at)
          .map((piece) => finder.push(piece))
          .join('');
        const expected = before(text, stop);
        expect(released + finder.flush()).toBe(expected.text);
        expect(finder.found).toBe(expected.found);
      }),
    );
  });

  it('releases at once what cannot begin a stop string', () => {
    const finder = new StopStrings(['\n\nUser:']);
    expect(['Hello', ' you\n', '\nUs', 'ually', '\n\nUser: hi'].map((text) => finder.push(text))).toEqual([
      'Hello',
      ' you',
      '',
      '\n\nUsually',
      '',
    ]);
    expect(finder.found).toBe('\n\nUser:');
    expect(finder.push('more')).toBe('');
  });
});
