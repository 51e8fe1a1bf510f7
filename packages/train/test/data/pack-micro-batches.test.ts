import { InvalidArgumentError } from '@gateskip/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packMicroBatches } from '../../src/index.js';
import { numberedSequences } from './support.js';

const someLengths = fc.array(fc.integer({ min: 2, max: 150 }), { minLength: 1, maxLength: 60 });
const someRows = fc.integer({ min: 4, max: 100 });
const someSeed = fc.integer({ min: 0, max: 4_294_967_295 });

describe('packMicroBatches', () => {
  it('has every row of every sequence exactly once, in pieces that keep their order', () => {
    fc.assert(
      fc.property(someLengths, someRows, someSeed, someSeed, (lengths, rows, seed, epoch) => {
        const sequences = numberedSequences(lengths);
        const batches = packMicroBatches(sequences, { rows, seed, epoch });
        const seen: number[] = [];
        for (const { tokens, segmentLengths, rowWeights, sequences: segments } of batches) {
          expect(tokens.length).toBeLessThanOrEqual(rows);
          expect(rowWeights.length).toBe(tokens.length);
          expect(segments.length).toBe(segmentLengths.length);
          let start = 0;
          for (const [index, length] of segmentLengths.entries()) {
            expect(length).toBeGreaterThanOrEqual(2);
            const own = tokens.subarray(start, start + length);
            expect([...own]).toEqual([...(segments[index]?.tokens ?? [])]);
            expect([...rowWeights.subarray(start, start + length)]).toEqual([...(segments[index]?.rowWeights ?? [])]);
            // Numbered tokens: a run of successive numbers is a piece of one text, never of two.
            for (let row = 1; row < length; row++) expect(own[row]).toBe((own[row - 1] as number) + 1);
            start += length;
          }
          expect(start).toBe(tokens.length);
          seen.push(...tokens);
        }
        expect(seen.sort((a, b) => a - b)).toEqual(sequences.flatMap(({ tokens }) => [...tokens]));
      }),
      { numRuns: 60 },
    );
  });

  it('keeps all weights but those at the cut of a long sequence', () => {
    fc.assert(
      fc.property(someLengths, someRows, someSeed, (lengths, rows, seed) => {
        const sequences = numberedSequences(lengths);
        const weights = new Map(sequences.flatMap(({ tokens, rowWeights }) => [...tokens].map((token, row) => [token, rowWeights[row]])));
        for (const { sequences: segments } of packMicroBatches(sequences, { rows, seed, epoch: 0 })) {
          for (const { tokens, rowWeights } of segments) {
            const last = tokens.length - 1;
            expect(rowWeights[last]).toBe(0);
            for (let row = 0; row < last; row++) expect(rowWeights[row]).toBe(weights.get(tokens[row] as number));
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('is the same for the same seed and epoch, and another order for others', () => {
    const sequences = numberedSequences(Array.from({ length: 80 }, (_, index) => 5 + ((index * 37) % 60)));
    const tokens = (seed: number, epoch: number): number[][] =>
      packMicroBatches(sequences, { rows: 128, seed, epoch }).map((batch) => [...batch.tokens]);
    expect(tokens(1, 0)).toEqual(tokens(1, 0));
    expect(tokens(1, 0)).not.toEqual(tokens(1, 1));
    expect(tokens(1, 0)).not.toEqual(tokens(2, 0));
    expect(tokens(1, 2)).not.toEqual(tokens(2, 1));
  });

  it('leaves little room unused', () => {
    const sequences = numberedSequences(Array.from({ length: 600 }, (_, index) => 20 + ((index * 7919) % 380)));
    const batches = packMicroBatches(sequences, { rows: 1024, seed: 5, epoch: 0 });
    const used = batches.reduce((sum, { tokens }) => sum + tokens.length, 0);
    expect(used / (1024 * batches.length)).toBeGreaterThan(0.9);
  });

  it('refuses numbers out of bounds', () => {
    const sequences = numberedSequences([5, 6]);
    for (const options of [
      { rows: 3, seed: 1, epoch: 0 },
      { rows: 8, seed: -1, epoch: 0 },
      { rows: 8, seed: 1, epoch: 0.5 },
    ])
      expect(() => packMicroBatches(sequences, options)).toThrow(InvalidArgumentError);
  });
});
