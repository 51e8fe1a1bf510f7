import { expect, it } from 'vitest';
import { TextTooLongError } from '../src/index.js';
import { encodePair, fitContext } from '../src/items/encode-pair.js';
import { characterTokenizer } from './support/character-model.js';

const plain = characterTokenizer();

it('cuts where the context ends, and gives its trailing spaces to the continuation', () => {
  expect(encodePair(plain, 'One', ' two').scoredFrom).toBe(3);
  const spaced = encodePair(plain, 'One \n', 'two');
  expect(spaced.scoredFrom).toBe(3);
  expect(plain.decode(spaced.tokens)).toBe('One \ntwo');
});

it('counts a begin token as context', () => {
  const { tokens, scoredFrom } = encodePair(characterTokenizer(true), 'One', ' two');
  expect([tokens[0], tokens.length, scoredFrom]).toEqual([1, 8, 4]);
});

it('puts a token before a text without context', () => {
  expect(encodePair(plain, '', 'ab')).toEqual({ tokens: Int32Array.of(1, 97, 98), scoredFrom: 1 });
  expect(encodePair(plain, '  ', 'a')).toEqual({ tokens: Int32Array.of(1, 32, 32, 97), scoredFrom: 1 });
});

it('cuts the start of what does not fit, never what is scored', () => {
  const text = encodePair(plain, 'abcdef', 'ghi');
  expect(fitContext(text, 8, 'x')).toEqual({ text, cutTokens: 0 });
  expect(fitContext(text, 5, 'x')).toEqual({ text: { tokens: plain.encode('defghi'), scoredFrom: 3 }, cutTokens: 3 });
  expect(fitContext(text, 3, 'x').text.scoredFrom).toBe(1);
  expect(() => fitContext(text, 2, 'x')).toThrow(TextTooLongError);
});
