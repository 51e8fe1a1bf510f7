import { InvalidArgumentError, ShapeMismatchError } from '@gateskip/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitHeldOut, TrainingTextTooShortError } from '../../src/index.js';
import { numberedSequences } from './support.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `group ${index}`);

describe('splitHeldOut', () => {
  it('loses nothing, keeps groups together and both sides filled', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 60 }), fc.nat(), (numbers, seed) => {
        fc.pre(new Set(numbers).size > 1);
        const sequences = numberedSequences(numbers.map(() => 3));
        const groups = numbers.map(String);
        const { train, heldOut } = splitHeldOut(sequences, { share: 0.2, seed, groups });
        expect(train.length + heldOut.length).toBe(sequences.length);
        expect(train.length).toBeGreaterThan(0);
        expect(heldOut.length).toBeGreaterThan(0);
        const groupsOf = (side: typeof train) => new Set(side.map((sequence) => groups[sequences.indexOf(sequence)]));
        expect([...groupsOf(train)].filter((group) => groupsOf(heldOut).has(group))).toEqual([]);
      }),
    );
  });

  it('holds out about the share asked for', () => {
    const count = 4000;
    const { heldOut } = splitHeldOut(numberedSequences(Array(count).fill(2)), { share: 0.1, seed: 3, groups: names(count) });
    // Five standard deviations of a binomial count.
    expect(Math.abs(heldOut.length - 400)).toBeLessThan(5 * Math.sqrt(count * 0.1 * 0.9));
  });

  it('never moves a held-out sequence into training when the text grows', () => {
    const sequences = numberedSequences(Array(300).fill(2));
    const small = splitHeldOut(sequences.slice(0, 120), { share: 0.1, seed: 9 });
    const large = splitHeldOut(sequences, { share: 0.1, seed: 9 });
    expect(small.heldOut.length).toBeGreaterThan(1);
    for (const sequence of small.heldOut) expect(large.heldOut).toContain(sequence);
    expect(splitHeldOut(sequences, { share: 0.1, seed: 10 }).heldOut).not.toEqual(large.heldOut);
  });

  it('refuses a text that cannot be split, and wrong arguments', () => {
    const twice = numberedSequences([4]).flatMap((sequence) => [sequence, sequence]);
    expect(() => splitHeldOut([], { share: 0.1, seed: 1 })).toThrow(TrainingTextTooShortError);
    expect(() => splitHeldOut(twice, { share: 0.1, seed: 1 })).toThrow(TrainingTextTooShortError);
    const two = numberedSequences([4, 4]);
    expect(() => splitHeldOut(two, { share: 0, seed: 1 })).toThrow(InvalidArgumentError);
    expect(() => splitHeldOut(two, { share: Number.NaN, seed: 1 })).toThrow(InvalidArgumentError);
    expect(() => splitHeldOut(two, { share: 0.1, seed: 1, groups: ['a'] })).toThrow(ShapeMismatchError);
  });
});
