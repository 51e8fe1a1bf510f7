import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count, cutWindows, MIN_WINDOW, spread } from '../src/fit/windows.js';
import { TooLittleTextError } from '../src/index.js';

const options = { length: 64, wanted: 1e6, needed: 1, heldOutShare: 0.2, vocabularySize: 1000 };

describe('cutWindows', () => {
  it('splits all text into fitted and held-out windows without overlap', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 }), (lengths) => {
        let token = 0;
        const sequences = lengths.map((length) => Int32Array.from({ length }, () => token++));
        const usable = lengths.reduce((sum, length) => sum + length - (length % 64 < MIN_WINDOW ? length % 64 : 0), 0);
        fc.pre(usable > 2 * MIN_WINDOW);
        const windows = cutWindows(sequences, { ...options, vocabularySize: 1e6 });
        const seen = [...windows.fit, ...windows.heldOut].flatMap((window) => Array.from(window));
        expect(seen).toHaveLength(usable);
        expect(new Set(seen).size).toBe(usable);
        expect(windows.fit.length).toBeGreaterThan(0);
        expect(windows.heldOut.length).toBeGreaterThan(0);
        expect(windows.tokens).toBe(usable);
      }),
    );
  });

  it('holds out about the share asked for', () => {
    const windows = cutWindows([new Int32Array(6400)], options);
    expect(count(windows.heldOut) / windows.tokens).toBeCloseTo(0.2, 5);
  });

  it('names what is needed', () => {
    expect(() => cutWindows([new Int32Array(40)], { ...options, needed: 100 })).toThrow(TooLittleTextError);
    expect(() => cutWindows([Int32Array.of(-1)], options)).toThrow(/Token -1/);
  });
});

describe('spread', () => {
  it('takes about as many tokens as wanted, from all over the text', () => {
    const windows = Array.from({ length: 40 }, (_, index) => new Int32Array(50).fill(index));
    const chosen = spread(windows, 500);
    expect(count(chosen)).toBe(500);
    expect((chosen[0] as Int32Array)[0]).toBeLessThan(5);
    expect((chosen.at(-1) as Int32Array)[0]).toBeGreaterThan(34);
  });
});
