import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summarizeTrace, tokenClass } from '../src/index.js';
import { makeTrace } from './make-trace.js';

describe('summarizeTrace', () => {
  it('has shares that agree with one another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 8 }), (count, layers) => {
        const trace = makeTrace(count, layers);
        const summary = summarizeTrace(trace);
        const all = trace.kept.filter((kept) => kept === 0).length / trace.kept.length;
        const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
        // Means of at most 640 shares in double precision: rounding stays below 640 x 2^-53.
        const tolerance = 640 * 2 ** -53;
        for (const shares of [summary.byBranch, summary.byLayer, summary.byToken]) {
          expect(Math.abs(mean(shares.map((each) => each.skip)) - all)).toBeLessThanOrEqual(tolerance);
        }
        expect(Math.abs((summary.byKind.attention + summary.byKind.mlp) / 2 - all)).toBeLessThanOrEqual(tolerance);
        expect(summary.byClass.reduce((sum, each) => sum + each.count, 0)).toBe(count);
        expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
      }),
    );
  });

  it('gives null where nothing can be said', () => {
    const trace = makeTrace(2, 1, undefined, 2);
    trace.scores.fill(Number.NaN);
    const summary = summarizeTrace(trace);
    expect(summary.skip.answer).toBeNull();
    expect(summary.byBranch[0]?.meanScore).toBeNull();
  });
});

describe('tokenClass', () => {
  it.each([
    ['<|im_start|>', 0, 'first'],
    ['<|im_end|>', 3, 'special'],
    ['</s>', 3, 'special'],
    ['\n\n', 3, 'whitespace'],
    [' 12', 3, 'number'],
    [' the', 3, 'word start'],
    ['ing', 3, 'word part'],
    [' Straße', 3, 'word start'],
    ['...', 3, 'punctuation'],
    ['\ufffd', 3, 'fragment'],
    ['a1', 3, 'other'],
    ['', 3, 'other'],
  ] as const)('calls %j at %i %s', (text, position, expected) => {
    expect(tokenClass(text, position)).toBe(expected);
  });
});
