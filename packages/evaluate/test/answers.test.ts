import { describe, expect, it } from 'vitest';
import { extractGsm8k, isGsm8kMatch, scoreSquad, squadWords } from '../src/index.js';

describe('gsm8k', () => {
  it.each([
    ['She has 3 + 4 = 7 apples.\n#### 7', '7', '7'],
    ['#### 1,234.50 and then 9', '1,234.50', '9'],
    ['#### -12\n#### 8', '-12', '8'],
    ['It costs $45.', '[invalid]', '$45.'],
    ['The answer is 18', '[invalid]', '18'],
    ['seven', '[invalid]', '[invalid]'],
    ['####7', '[invalid]', '7'],
    ['5 - 3 = 2', '[invalid]', '2'],
    ['-3', '[invalid]', '-3'],
  ])('%j gives %j strictly and %j flexibly', (text, strict, flexible) => {
    expect(extractGsm8k(text)).toEqual({ strict, flexible });
  });

  it.each([
    ['18', 'Reasoning with 5 steps.\n#### 18', true],
    ['1,000', '#### 1000', true],
    ['$45.', '#### 45', true],
    ['45.0', '#### 45', false],
    ['[invalid]', '#### 0', false],
    ['7', '#### 8', false],
  ])('%j against %j is %j', (extracted, gold, right) => {
    expect(isGsm8kMatch(extracted, gold)).toBe(right);
  });
});

describe('squad', () => {
  it('reads words without case, punctuation and articles', () => {
    expect(squadWords('The  U.S. "Army", an\tarmy; a-b')).toEqual(['us', 'army', 'army', 'ab']);
    expect(squadWords('a the AN')).toEqual([]);
  });

  it.each([
    ['Denver Broncos', ['the Denver Broncos!'], 1, 1],
    ['the Broncos', ['Denver Broncos', 'Broncos'], 1, 1],
    // 2 of 3 words said, 2 of 4 gold words met: 2 * (2/3 * 1/2) / (2/3 + 1/2).
    ['red green grey', ['red green blue white'], 0, 4 / 7],
    // Words count as often as they stand there: 1 common of 3 and of 1.
    ['red red red', ['red'], 0, 1 / 2],
    ['black', ['white'], 0, 0],
    ['unanswerable', [], 1, 1],
    [' Unanswerable. ', [], 1, 1],
    ['', [], 1, 1],
    ['something', [], 0, 0],
    ['unanswerable', ['yes'], 0, 0],
    ['', ['yes'], 0, 0],
    ['unanswerable questions', ['unanswerable questions'], 1, 1],
  ] as const)('%j against %j', (answer, golds, em, f1) => {
    const score = scoreSquad(answer, golds);
    expect(score.em).toBe(em);
    expect(Math.abs(score.f1 - f1)).toBeLessThan(1e-15);
  });
});
