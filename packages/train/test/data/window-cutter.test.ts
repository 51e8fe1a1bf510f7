import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pieceEnd, WindowCutter } from '../../src/data/window-cutter.js';
import { allTokens, asciiTokenizer } from './support.js';

describe('pieceEnd', () => {
  const units = fc.constantFrom('a', ' ', '\n', '\n\n', '😀', 'word', '\r\n');

  it('lies in the text and never inside a character', () => {
    fc.assert(
      fc.property(fc.array(units, { minLength: 20, maxLength: 200 }), fc.integer({ min: 8, max: 19 }), (parts, most) => {
        const text = parts.join('');
        const end = pieceEnd(text, most);
        expect(end).toBeGreaterThan(0);
        expect(end).toBeLessThanOrEqual(most);
        expect(/[\ud800-\udbff]$/.test(text.slice(0, end))).toBe(false);
      }),
    );
  });

  it('prefers a single line end between words', () => {
    expect(pieceEnd('a few words one\nwords\n\nwords', 23)).toBe('a few words one\n'.length);
    expect(pieceEnd('words without any line', 14)).toBe('words without'.length);
  });
});

describe('WindowCutter', () => {
  it('gives the tokens of the text, however it comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 2, max: 50 }),
        (parts, window) => {
          const cutter = new WindowCutter(asciiTokenizer(), window);
          for (const part of parts) cutter.push(part);
          cutter.finish();
          const whole = [...asciiTokenizer().encode(parts.join(''))];
          expect(allTokens(cutter.sequences)).toEqual(whole.slice(0, whole.length - cutter.leftOutTokens));
          expect(cutter.tokens + cutter.leftOutTokens).toBe(whole.length);
          expect(cutter.sequences.every(({ tokens }) => tokens.length >= 2 && tokens.length <= window)).toBe(true);
        },
      ),
    );
  });
});
