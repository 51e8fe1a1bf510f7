import type { StepResult } from '@gateskip/backend';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Candidates } from '../src/sampling/candidates.js';
import { LogitsRow } from '../src/sampling/logits-row.js';
import { Random } from '../src/sampling/random.js';
import { penalizeRepetition } from '../src/sampling/repetition-penalty.js';
import { Sampler } from '../src/sampling/sampler.js';
import { leadingLogitsNeeded, type SamplingSettings } from '../src/sampling/sampling-settings.js';
import { tokenLogprobs } from '../src/sampling/token-logprobs.js';

const defaults: SamplingSettings = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, repetitionWindow: 64, seed: 1 };
const none = (): number[] => [];
const rows = fc
  .array(fc.integer({ min: -40, max: 40 }), { minLength: 2, maxLength: 300 })
  .map((values) => Float32Array.from(values, (value) => value / 8));

function all(logits: Float32Array): LogitsRow {
  return new LogitsRow().useAll(logits, 0, logits.length);
}

function order(logits: Float32Array): number[] {
  return Array.from(logits.keys()).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
}

/** The leading form of a row, as a backend gives it. */
function leading(logits: Float32Array, count: number): LogitsRow {
  const tokens = order(logits).slice(0, count);
  const largest = Math.max(...logits);
  const logSumExp = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
  const top = {
    count,
    tokens: Int32Array.from(tokens),
    logits: Float32Array.from(tokens, (token) => logits[token] as number),
    logSumExp: Float32Array.of(logSumExp),
  };
  return new LogitsRow().select({ top } as unknown as StepResult, 0, logits.length);
}

/** Tokens that can be drawn at all, and how often each was. */
function histogram(logits: Float32Array, settings: SamplingSettings, draws: number): Map<number, number> {
  const sampler = new Sampler(logits.length);
  const random = new Random(settings.seed);
  const counts = new Map<number, number>();
  for (let draw = 0; draw < draws; draw++) {
    const token = sampler.sample(all(logits), settings, random, none);
    counts.set(token, (counts.get(token) ?? 0) + 1);
  }
  return counts;
}

describe('Random', () => {
  it('is uniform, repeatable, and differs by seed', () => {
    const random = new Random(7);
    const draws = Array.from({ length: 100000 }, () => random.unit());
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    // Five standard errors of the mean of a uniform variable.
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / draws.length));
    expect(Math.min(...draws.slice(0, 50000))).toBeGreaterThanOrEqual(0);
    expect(draws.every((draw) => draw < 1)).toBe(true);
    const again = new Random(7);
    expect(draws.slice(0, 10).map(() => again.unit())).toEqual(draws.slice(0, 10));
    const firsts = new Set([0, 1, 2, 4294967295, 4294967296, Number.MAX_SAFE_INTEGER].map((seed) => new Random(seed).unit()));
    expect(firsts.size).toBe(6);
  });

  it('follows the published algorithm', () => {
    // State 1, 2, 3, 4. First: rotl(2 * 5, 7) * 9 = 11520. Second: the next b is 2 ^ (3 ^ 1) = 0. The rest by the authors' code.
    const random = new Random(0);
    Object.assign(random, { a: 1, b: 2, c: 3, d: 4 });
    expect(Array.from({ length: 4 }, () => random.uint32())).toEqual([11520, 0, 5927040, 70819200]);
  });
});

describe('Candidates', () => {
  it('are the leading tokens in order, ties by lower id', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 300 }), (logits, wanted) => {
        const candidates = new Candidates(logits.length).take(all(logits), wanted);
        expect(Array.from(candidates.tokens.subarray(0, candidates.count))).toEqual(order(logits).slice(0, wanted));
      }),
    );
  });
});

describe('Sampler', () => {
  it('greedy takes the largest logit, the lower id where two are equal', () => {
    const sampler = new Sampler(4);
    expect(sampler.sample(all(Float32Array.of(1, 3, 3, -1)), { ...defaults, temperature: 0 }, new Random(1), none)).toBe(1);
  });

  it('chooses the same from leading logits as from all of them', () => {
    const settings = fc.record({
      temperature: fc.constantFrom(0, 0.01, 0.7, 1, 5),
      topK: fc.integer({ min: 1, max: 100 }),
      topP: fc.constantFrom(1, 0, 0.3, 0.9),
      minP: fc.constantFrom(0, 0.2, 1),
    });
    fc.assert(
      fc.property(rows, settings, fc.nat(), fc.nat({ max: 50 }), (logits, partial, seed, extra) => {
        const chosen: SamplingSettings = { ...defaults, ...partial, seed };
        const needed = leadingLogitsNeeded(chosen, undefined, logits.length);
        expect(needed).toBeGreaterThan(0);
        const fromAll = new Sampler(logits.length).sample(all(logits), chosen, new Random(seed), none);
        // A batch mate may have asked for more of them.
        const count = Math.min(needed + extra, logits.length);
        expect(new Sampler(logits.length).sample(leading(logits, count), chosen, new Random(seed), none)).toBe(fromAll);
      }),
    );
  });

  it('draws in proportion to the probabilities', () => {
    const logits = Float32Array.of(0, 1, 2, 3);
    const draws = 40000;
    for (const settings of [defaults, { ...defaults, topK: 3 }, { ...defaults, topP: 0.999 }, { ...defaults, temperature: 2 }]) {
      const counts = histogram(logits, settings, draws);
      const kept = settings.topK === 3 ? [1, 2, 3] : [0, 1, 2, 3];
      const weights = kept.map((token) => Math.exp((logits[token] as number) / settings.temperature));
      const sum = weights.reduce((a, b) => a + b);
      kept.forEach((token, index) => {
        const share = (weights[index] as number) / sum;
        // Five standard errors of a binomial share.
        expect(Math.abs((counts.get(token) ?? 0) / draws - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / draws));
      });
      expect([...counts.keys()].every((token) => kept.includes(token))).toBe(true);
    }
  });

  it('keeps what each filter says', () => {
    // Probabilities 0.5, 0.25, 0.125, 0.125
    const logits = Float32Array.of(Math.log(4), Math.log(2), 0, 0);
    const drawn = (settings: Partial<SamplingSettings>): number[] =>
      [...histogram(logits, { ...defaults, ...settings }, 2000).keys()].sort();
    expect(drawn({})).toEqual([0, 1, 2, 3]);
    expect(drawn({ topP: 0.6 })).toEqual([0, 1]);
    expect(drawn({ topP: 0.8 })).toEqual([0, 1, 2]);
    expect(drawn({ topP: 0 })).toEqual([0]);
    expect(drawn({ minP: 0.4 })).toEqual([0, 1]);
    expect(drawn({ minP: 1 })).toEqual([0]);
    expect(drawn({ topK: 3 })).toEqual([0, 1, 2]);
    // Top-p counts within what top-k left: 2/3 of it is token 0.
    expect(drawn({ topK: 2, topP: 0.6 })).toEqual([0]);
    expect(drawn({ topK: 3, topP: 0.99, minP: 0.3 })).toEqual([0, 1]);
  });

  it('finds a nucleus wider than its first look', () => {
    const logits = new Float32Array(2000);
    const counts = histogram(logits, { ...defaults, topP: 0.5 }, 4000);
    // A thousand equally likely tokens, each missed with probability exp(-4).
    expect(counts.size).toBeGreaterThan(900);
    expect([...counts.keys()].every((token) => token < 1001)).toBe(true);
  });

  it('refuses rows that are not finite in both forms, and allows masked tokens', () => {
    const sampler = new Sampler(3);
    for (const settings of [defaults, { ...defaults, temperature: 0 }, { ...defaults, topK: 2 }, { ...defaults, repetitionPenalty: 2 }]) {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(sampler.sample(all(Float32Array.of(1, bad, 2)), settings, new Random(1), none)).toBe(-1);
      }
      expect(sampler.sample(all(new Float32Array(3).fill(Number.NEGATIVE_INFINITY)), settings, new Random(1), none)).toBe(-1);
      expect(
        sampler.sample(all(Float32Array.of(Number.NEGATIVE_INFINITY, 3, Number.NEGATIVE_INFINITY)), settings, new Random(1), none),
      ).toBe(1);
    }
    expect(sampler.sample(leading(Float32Array.of(1, Number.NaN, 2), 1), { ...defaults, temperature: 0 }, new Random(1), none)).toBe(-1);
  });

  it('penalises each seen token once', () => {
    const logits = Float32Array.of(2, -2, 4, 1);
    penalizeRepetition(logits, [0, 1, 0, 1], 2);
    expect(Array.from(logits)).toEqual([1, -4, 4, 1]);
    const sampler = new Sampler(4);
    const greedy = { ...defaults, temperature: 0, repetitionPenalty: 5 };
    expect(sampler.sample(all(Float32Array.of(2, -2, 4, 1)), greedy, new Random(1), () => [2])).toBe(0);
  });
});

describe('tokenLogprobs', () => {
  it('is the log of the softmax, from either form', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 0, max: 20 }), (logits, wanted) => {
        const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
        const count = Math.min(Math.max(wanted, 1), logits.length);
        const token = order(logits)[0] as number;
        for (const row of [all(logits), leading(logits, count)]) {
          const got = tokenLogprobs(row, new Candidates(logits.length), token, wanted, String);
          // logSumExp is stated in float32.
          const tolerance = 2 ** -23 * Math.max(1, Math.abs(Math.log(sum)));
          expect(Math.abs(got.logprob - ((logits[token] as number) - Math.log(sum)))).toBeLessThan(tolerance);
          expect(got.top.map((entry) => entry.token)).toEqual(order(logits).slice(0, wanted));
          expect(got.top.every((entry) => entry.text === String(entry.token))).toBe(true);
        }
      }),
    );
  });
});
