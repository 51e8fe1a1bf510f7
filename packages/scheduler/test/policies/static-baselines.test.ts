import { describe, expect, it } from 'vitest';
import { type Budget, createPolicy } from '../../src/index.js';
import { branches, profile, shape } from '../support/simulation.js';

/** Branches that every one of some tokens drops, and those that some drop. */
function dropped(name: string, budget: Budget, options: Record<string, unknown> = { protectedBranches: [] }) {
  const rows = 64;
  const { scores } = createPolicy(name, { shape, profile, budget, options }).open({ promptTokens: rows }).plan(8, rows);
  const shares = Array.from(
    { length: branches },
    (_, branch) => 1 - scores!.subarray(branch * rows, (branch + 1) * rows).reduce((sum, score) => sum + score, 0) / rows,
  );
  const which = (test: (share: number) => boolean) => shares.flatMap((share, branch) => (test(share) ? [branch] : []));
  return { all: which((share) => share === 1), some: which((share) => share > 0 && share < 1) };
}

const layersOf = (list: readonly number[]) => [...new Set(list.map((branch) => branch >> 1))];

describe('static-even', () => {
  it('drops every second layer at half, every third at a third', () => {
    expect(layersOf(dropped('static-even', { skip: 0.5 }).all)).toEqual(Array.from({ length: 15 }, (_, i) => 2 * i + 1));
    expect(layersOf(dropped('static-even', { skip: 1 / 3 }).all)).toEqual(Array.from({ length: 10 }, (_, i) => 3 * i + 1));
  });

  it('spreads over the layers that may skip', () => {
    const { all } = dropped('static-even', { skip: 0.1 }, {});
    expect(layersOf(all)).toEqual([6, 15, 24]);
  });
});

describe('static-influence', () => {
  it('drops the layers of least influence first, and mixes in the next', () => {
    const order = profile.blockInfluence.map((value, layer) => [value, layer] as const).sort(([a], [b]) => a - b);
    const layers = order.map(([, layer]) => layer);
    const { all, some } = dropped('static-influence', { skip: 3.5 / 30 });
    expect(layersOf(all).sort()).toEqual(layers.slice(0, 3).sort());
    expect(layersOf(some)).toEqual([layers[3]]);
  });
});

describe('static-kl', () => {
  it('weighs what a branch costs against what it saves', () => {
    // An MLP saves 2.65 M MACs a row, attention 0.66 M and its core: at equal KL the MLP goes first.
    const equal = { ...profile, removalKl: new Array<number>(branches).fill(0.1) };
    const options = { protectedBranches: [] };
    const plan = (contextTokens: number) =>
      createPolicy('static-kl', { shape, profile: equal, budget: { skip: 0.1 }, options: { ...options, contextTokens } })
        .open({ promptTokens: 8 })
        .plan(4, 1);
    const first = (contextTokens: number) => [...plan(contextTokens).scores!].flatMap((score, branch) => (score === 0 ? [branch] : []));
    expect(first(512).every((branch) => branch % 2 === 1)).toBe(true);
    expect(first(8192).every((branch) => branch % 2 === 0)).toBe(true);
  });
});
