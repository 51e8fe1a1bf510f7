import { type Budget, createPolicy } from '@gateskip/scheduler';
import { describe, expect, it } from 'vitest';
import { calibrate, decode, gates, shape, simulateScores, type TextNoise } from './support/simulation.js';

/**
 * The promise: at batch 1 the share held over the answer so far is within one point of the asked one at every step from
 * 64 to 512, whatever the calibration missed. Texts are simulated; the calibration is off by several points on them, and
 * single tokens scatter by about ten.
 */
const calibration = calibrate(simulateScores(7, 1500, { common: 0.7, correlation: 0.8, drift: 0, offset: 0 }));
const texts: readonly [string, TextNoise][] = [
  ['steady', { common: 0.5, correlation: 0.8, drift: 0, offset: 0.3 }],
  ['noisy and drifting', { common: 0.7, correlation: 0.8, drift: 0.01, offset: 0.4 }],
  ['slow moods', { common: 0.65, correlation: 0.95, drift: 0.02, offset: 0.4 }],
  ['jumpy', { common: 0.7, correlation: 0.3, drift: 0.01, offset: 0.4 }],
];
const SEEDS = 10;
const STEPS = 512;

const simulated = new Map<string, Float32Array[]>();

/** Drawn once per text, as slow to draw as the rest is to test. */
function scoresOf(seed: number, tokens: number, noise: TextNoise): readonly Float32Array[] {
  const key = JSON.stringify([seed, tokens, noise]);
  const scores = simulated.get(key) ?? simulateScores(seed, tokens, noise);
  simulated.set(key, scores);
  return scores;
}

interface Held {
  readonly seedsWithin: number;
  readonly stepsWithin: number;
  readonly worst: number;
  readonly scatter: number;
}

function hold(policyName: string, budget: Budget, noise: TextNoise, promptTokens: number, options?: Record<string, unknown>): Held {
  const policy = createPolicy(policyName, { shape, gates, calibration, budget, ...(options && { options }) });
  const asked = 'skip' in budget ? budget.skip : 1 - (budget as { net: number }).net;
  let seeds = 0;
  let steps = 0;
  let worst = 0;
  let variance = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const held = decode(policy.open({ promptTokens }), promptTokens, scoresOf(1000 + 37 * seed, promptTokens + STEPS, noise));
    let sum = 0;
    let weight = 0;
    let outside = 0;
    for (const [step, one] of held.entries()) {
      sum += 'skip' in budget ? one.skip : one.denseMacs - one.macs;
      weight += 'skip' in budget ? 1 : one.denseMacs;
      variance += (one.skip - asked) ** 2 / (SEEDS * STEPS);
      const error = Math.abs(sum / weight - asked);
      if (step + 1 < 64) continue;
      worst = Math.max(worst, error);
      if (error > 0.01) outside++;
    }
    if (outside === 0) seeds++;
    steps += STEPS - 63 - outside;
  }
  return { seedsWithin: seeds / SEEDS, stepsWithin: steps / (SEEDS * (STEPS - 63)), worst, scatter: Math.sqrt(variance) };
}

const budgets: readonly Budget[] = [{ skip: 0.1 }, { skip: 0.25 }, { skip: 0.5 }, { net: 0.85 }, { net: 0.7 }];

/**
 * A token's common part moves all branches of the published mode together, but only those near the one global threshold:
 * the same text scatters almost twice as much there, so it gets texts that scatter by ten points under it.
 */
const policies: readonly [string, number][] = [
  ['global-threshold', 1],
  ['branch-threshold', 0.5],
];

describe.each(policies)('%s', (policy, commonPart) => {
  it.each(texts)('holds every budget within a point on %s text', (_, text) => {
    const noise = { ...text, common: commonPart * text.common };
    for (const budget of budgets) {
      const held = hold(policy, budget, noise, 48);
      if (process.env.GATESKIP_REPORT) console.log(policy, JSON.stringify(budget), JSON.stringify(held));
      // A few of the wildest texts may touch the line for some tokens around step 64; nothing may stay outside.
      expect(held.seedsWithin, JSON.stringify({ budget, held })).toBeGreaterThanOrEqual(0.9);
      expect(held.stepsWithin, JSON.stringify({ budget, held })).toBeGreaterThanOrEqual(0.999);
      expect(held.worst, JSON.stringify({ budget, held })).toBeLessThanOrEqual(0.0125);
    }
  });

  it('holds without a prompt to learn from', () => {
    const text = texts[1]![1];
    const held = hold(policy, { skip: 0.25 }, { ...text, common: commonPart * text.common }, 1);
    expect(held.seedsWithin, JSON.stringify(held)).toBeGreaterThanOrEqual(0.9);
  });
});

it('needs the controller: fixed thresholds are off by points on the same texts', () => {
  const held = hold('global-threshold', { skip: 0.25 }, texts[1]![1], 48, { interval: 1024 });
  expect(held.worst).toBeGreaterThan(0.03);
});
